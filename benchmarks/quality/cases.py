"""The runs behind the tables: recipes, what of them is set, and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SEEDS: Final = (0, 1, 2)
SYSTEMS: Final = 'systems=["item_knn_tfidf", "local_lstm", "released_dp_lstm", "fusion"]'
WITHOUT_DP: Final = 'systems=["item_knn_tfidf", "local_lstm", "released_lstm", "fusion"]'
BST: Final = "amazon_bst"
TESTED: Final = "evaluation.test_users=4000"
CURVE: Final = {1.0: 8.0, 3.0: 2.0}
"""Epsilons of the curve beside the recipes' own 8, and the noise of statistics: the recipes' own
noise alone would cost more than epsilon 1, and nodes refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run.

    Attributes
    ----------
    name
        Scenario, as goals call it.
    recipe
        Shipped recipe.
    folder
        Folder below the data directory; empty where the recipe needs none.
    sets
        ``key=value`` overrides.
    seed
        Seed of everything that is not privacy.
    """

    name: str
    recipe: str
    folder: str
    sets: tuple[str, ...] = ()
    seed: int = 0

    def out(self, root: Path) -> Path:
        """Where the run stands; an interrupted one continues there."""
        return root / f"{self.name}-{self.seed}"


def full() -> Iterator[Case]:
    """What has goals with every seed, the other scenarios once, then the curve."""
    for seed in SEEDS:
        for name in ("same-vertical", "giant-and-small", "cross-vertical"):
            yield _large(name, name, seed=seed)
        yield Case(name="tiny", recipe="cross-vertical", folder="amazon_bst_tiny", seed=seed)
    yield _large("new-shop", "new-shop")
    yield _large("a-tenth", "cross-vertical", "data.keep_users={toys=0.1}")
    for epsilon, counting in CURVE.items():
        privacy = f"federation.privacy.epsilon={epsilon}"
        statistics = f"federation.statistics.noise_multiplier={counting}"
        yield _large(f"epsilon-{epsilon:g}", "same-vertical", privacy, statistics)
    yield _large("epsilon-none", "same-vertical", WITHOUT_DP, *UNPROTECTED)


def _large(name: str, recipe: str, *sets: str, seed: int = 0) -> Case:
    """On the large set, where ranking for every user would take most of the time."""
    return Case(name=name, recipe=recipe, folder=BST, sets=(TESTED, *sets), seed=seed)


UNPROTECTED: Final = (
    "federation.unprotected_rounds=40",
    "federation.unprotected_local={steps=1, learning_rate=0.01}",
    "federation.aggregation={weights='equal', colluders=1}",
)
"""The same number of steps without noise; each node's own Adam, as there is nothing to share."""


def small() -> Iterator[Case]:
    """Planted shops, a minute: that everything runs, not what it is worth."""
    shops = (
        "data.source=generated",
        "data.platforms=[]",
        "data.generated={users=[600], items=[200], events_per_user=8.0}",
        "data.split={shops=3}",
        "encoder=hashed-words",
        "model={item_dim=32, adapter_dim=16, input_dim=8, hidden_dim=8, history_length=10}",
        "federation.rounds=2",
        "federation.statistics={frequent=20}",
        "personalisation={max_steps=20, check_every=10, batch_users=64}",
        "evaluation.bootstrap_samples=200",
    )
    yield Case(name="same-vertical", recipe="same-vertical", folder="", sets=shops)
