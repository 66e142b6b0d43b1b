"""The node's executor for FedAvg; started by `benchmarks.network.fedavg`."""

from benchmarks.network.fedavg import serve_client

if __name__ == "__main__":
    serve_client()
