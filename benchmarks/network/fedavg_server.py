"""The coordinator's executor for FedAvg; started by `benchmarks.network.fedavg`."""

import sys
from pathlib import Path

from benchmarks.network.fedavg import FedAvgExecutor
from server.home import CoordinatorHome

if __name__ == "__main__":
    FedAvgExecutor(CoordinatorHome(Path(sys.argv[1]))).serve()
