"""The service's HTTP interface; everything that decides stands in `clients.serving`."""
