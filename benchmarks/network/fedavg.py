"""Flower's own FedAvg over the very same processes, connections and executors, for comparison.

``python -m benchmarks.network.fedavg coordinator|node HOME`` starts the service of a party whose
executor runs `flwr.serverapp.strategy.FedAvg`, or a ClientApp that answers with a vector of the
same length. No privacy, no masks, no receipts; training is a vector of random numbers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from flwr.superlink.grid.http_grid import HttpGrid

from clients.executor import main as serve_node
from clients.home import NodeHome
from server.executor import ServerExecutor
from server.home import CoordinatorHome
from server.run_state import read_current, write_state

SIZE = "ISTHMUS_BENCH_PARAMETERS"
ROUNDS = "ISTHMUS_BENCH_ROUNDS"
TIMES = "fedavg.json"


def client() -> ClientApp:
    """Answers a train message with a fresh vector, as if it had trained."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        array = next(r for r in message.content.values() if isinstance(r, ArrayRecord))
        received = array.to_numpy_ndarrays()[0]
        update = np.random.default_rng().standard_normal(received.size).astype(np.float32)
        content = {
            "arrays": ArrayRecord([received + update]),
            "metrics": MetricRecord({"num-examples": 1}),
        }
        return Message(RecordDict(content), reply_to=message)  # type: ignore[arg-type]

    return app


class FedAvgExecutor(ServerExecutor):
    """Runs FedAvg in place of a plan and notes when each round ended."""

    def _work(self, grid: HttpGrid, flower_run: int) -> bool:
        size, rounds = int(os.environ[SIZE]), int(os.environ[ROUNDS])
        initial = ArrayRecord([np.zeros(size, np.float32)])
        while len(list(grid.get_node_ids())) < 3:
            time.sleep(0.5)
        strategy = _Timed(fraction_evaluate=0.0, min_train_nodes=3, min_available_nodes=3)
        strategy.start(grid, initial, num_rounds=rounds)
        (self._home.root / TIMES).write_text(json.dumps(strategy.seconds))
        current = read_current(self._home)
        if current is not None:
            write_state(self._home, current.model_copy(update={"state": "finished"}))
        return True


class _Timed(FedAvg):
    """FedAvg that notes the time from configuring a round to its aggregate."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seconds: list[float] = []
        self._began = 0.0

    def configure_train(self, *arguments: Any, **named: Any) -> Any:
        """Note the beginning."""
        self._began = time.monotonic()
        return super().configure_train(*arguments, **named)

    def aggregate_train(self, *arguments: Any, **named: Any) -> Any:
        """Note the end."""
        result = super().aggregate_train(*arguments, **named)
        self.seconds.append(time.monotonic() - self._began)
        return result


def main() -> None:
    """Start a party's service with FedAvg's executors."""
    role, home = sys.argv[1], Path(sys.argv[2])
    if role == "coordinator":
        from server.network import CoordinatorNetwork
        from server.service import Service

        directory = CoordinatorHome(home)
        network = CoordinatorNetwork(directory, "benchmarks.network.fedavg_server")
        Service(directory, network=network).run()
    else:
        from clients.federation_config import FederationConfig
        from clients.node_service import NodeService

        NodeService(NodeHome(home), FederationConfig(), "benchmarks.network.fedavg_client").run()


def serve_client() -> None:
    """The node's executor."""
    serve_node(client())


if __name__ == "__main__":
    main()
