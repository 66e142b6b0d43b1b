"""A coordinator that hands nodes another list of shared articles than the one in their plan.

``python -m tests.end_to_end.lying_coordinator HOME`` starts its service, whose executor is this
module as well. All else is as it should be: the plan, its signature, the processes, the edge.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from server.articles import read_articles
from server.executor import main as execute
from server.home import CoordinatorHome
from server.network import CoordinatorNetwork
from server.service import Service
from shared.plan import TrainingPlan
from shared.statistics import ARTICLE_BYTES, Articles

_MODULE = "tests.end_to_end.lying_coordinator"
_ROLE = "ISTHMUS_TEST_LIAR"


def _without_the_last(directory: Path, plan: TrainingPlan) -> Articles | None:
    articles = read_articles(directory, plan)
    return None if articles is None else articles[: -ARTICLE_BYTES // articles.itemsize]


def _main(home: CoordinatorHome) -> None:
    if os.environ.get(_ROLE):
        with patch("server.coordinator.read_articles", _without_the_last):
            execute()
    os.environ[_ROLE] = "executor"
    Service(home, network=CoordinatorNetwork(home, executor=_MODULE)).run()


if __name__ == "__main__":
    import sys

    _main(CoordinatorHome(Path(sys.argv[1])))
