"""The runs behind the tables: recipes, what of them is set, and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SEEDS: Final = (0, 1, 2)
SYSTEMS: Final = 'systems=["item_knn_tfidf", "local_lstm", "released_dp_lstm", "fusion"]'
WITHOUT_DP: Final = (
    'systems=["item_knn_tfidf", "local_lstm", "released_lstm", "fusion"]',
    "federation.unprotected_rounds=6",
)
"""As many rounds without noise as with it."""
BST: Final = "amazon_bst"
CURVE: Final = {
    "epsilon-3": ("federation.privacy.epsilon=3.0",),
    "epsilon-1": (
        "federation.privacy.epsilon=1.0",
        "federation.statistics.noise_multiplier=8.0",  # the recipe's own alone would cost more
    ),
    "epsilon-none": WITHOUT_DP,
}
"""What the curve changes of the giant and the small shops, which have epsilon 8."""


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
    """What has goals with every seed, the curve with every seed, the other scenarios once."""
    for seed in SEEDS:
        yield _large("same-vertical", seed=seed)
        yield _large("giant-and-small", seed=seed)
        yield _large("cross-vertical", tested=4000, seed=seed)
        yield Case(name="tiny", recipe="cross-vertical", folder="amazon_bst_tiny", seed=seed)
        yield _large("new-shop", tested=1000, seed=seed)
        yield Case(
            name="small-set", recipe="amazon", folder="amazon_bst_small", sets=(SYSTEMS,), seed=seed
        )
        for name, sets in CURVE.items():
            yield _large(name, *sets, recipe="giant-and-small", seed=seed)
    yield _large("a-tenth", "data.keep_users={toys=0.1}", recipe="cross-vertical")
    yield _large("three-shops", *_shops(3, users=4_500), recipe="same-vertical")
    yield _large("thirty-shops", *_shops(30, users=22_000), recipe="same-vertical")


def _large(name: str, *sets: str, recipe: str = "", tested: int = 2000, seed: int = 0) -> Case:
    """On the large set, where ranking for every user would take most of the time."""
    sets = (f"evaluation.test_users={tested}", *sets)
    return Case(name=name, recipe=recipe or name, folder=BST, sets=sets, seed=seed)


def _shops(count: int, *, users: int) -> tuple[str, str]:
    return f"data.split.shops={count}", f"data.split.users={users}"


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
