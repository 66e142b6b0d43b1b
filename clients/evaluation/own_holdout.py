"""How good a node's bundle is on the node's own hold-out: every part, and what users get.

The behaviour model was fitted without the tested items; the local parts, which the bundle holds
fitted on everything, are fitted again without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clients.data.dataset import Float64s
from clients.evaluation.bootstrap import Interval, paired_difference
from clients.evaluation.ranking import Scorer, evaluate
from clients.evaluation.split import Fold
from clients.evaluation.summary import per_user
from shared.progress import Step

FUSION = "fusion"
METRICS = ("hr@10", "ndcg@10")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutReport:
    """Figures of several systems on the same users.

    Attributes
    ----------
    users
        Users tested.
    systems
        System → metric → mean with its 95% interval over users.
    gain
        System → metric → the fusion's gain over it, paired by user.
    """

    users: int
    systems: dict[str, dict[str, Interval]]
    gain: dict[str, dict[str, Interval]]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def evaluate_on_holdout(
    systems: Mapping[str, Scorer], test: Fold, step: Step, *, seed: int = 0
) -> HoldoutReport:
    """Rank the test items with every system; one of them is `FUSION`.

    Parameters
    ----------
    seed
        Of the bootstrap.
    """
    values: dict[str, dict[str, Float64s]] = {}
    for done, (name, scorer) in enumerate(systems.items()):
        step(done, len(systems), name)
        values[name] = per_user(evaluate(scorer, test.contexts, test.targets))
    step(len(systems), len(systems))
    fusion, none = values[FUSION], np.zeros(len(test))
    return HoldoutReport(
        users=len(test),
        systems={n: _intervals(v, dict.fromkeys(METRICS, none), seed) for n, v in values.items()},
        gain={n: _intervals(fusion, v, seed) for n, v in values.items() if n != FUSION},
    )


def _intervals(
    first: Mapping[str, Float64s], second: Mapping[str, Float64s], seed: int
) -> dict[str, Interval]:
    return {m: paired_difference(first[m], second[m], seed=seed) for m in METRICS}
