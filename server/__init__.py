"""The coordinator: rounds, aggregation of masked updates, releases. Imports only `shared`."""
