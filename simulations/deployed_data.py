"""Real data for a deployment: MovieLens as three platforms' files, and a plan for them.

Asked for statistics, the three sell some of the same films under numbers of their own; a column of
the item file holds the number that all of them know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from shared.contract import ITEM, USER
from shared.models.encoders import load_encoder
from shared.statistics import StatisticsTerms
from simulations.datasets.movielens import movielens_tables
from simulations.federated import declared_users
from simulations.recipe import load_recipe

PLAN: Final = """\
purpose = "Recommendations that all three film sites gain from"
rounds = {rounds}

[encoder]
name = "{encoder}"
fingerprint = "{fingerprint}"

[model]
history_length = 30
input_dim = {width}
hidden_dim = {width}

[local]
steps = {steps}
batch_users = 128

[aggregation]
ring_bits = {ring_bits}
update_range = {update_range}

[privacy]
epsilon = {epsilon}
"""
CONTENT: Final = """
[content]
relative_noise = 2.0

[content.model]
latent_dim = 16
hidden_dim = 32

[content.local]
steps = {steps}
batch_users = 128
learning_rate = 3e-3
"""
STATISTICS: Final = """
[statistics]
frequent = {frequent}
noise_multiplier = {noise}
"""
PUBLIC_ID: Final = "film"
"""Column of public ids, where films are shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The ring of secure aggregation: bits of a coordinate, and the range of an update."""

    bits: int = 32
    update_range: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFiles:
    """What a platform has before it has a node.

    Attributes
    ----------
    events, items
        Its exported tables, CSV.
    declared
        Public lower bound on its users.
    user
        Id of one of its users.
    public_id
        Column of `items` that holds public ids; empty if there is none.
    """

    events: Path
    items: Path
    declared: int
    user: str
    public_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedData:
    """The platforms of a deployment, and the plan that the operator proposes."""

    platforms: dict[str, PlatformFiles]
    plan: str

    def write_plan(self, path: Path) -> Path:
        """Write the plan file."""
        path.write_text(self.plan, encoding="utf-8")
        return path


WIDE: Final = Ring()


def movielens(
    folder: Path,
    rounds: int,
    *,
    width: int = 32,
    steps: int = 4,
    ring: Ring = WIDE,
    content: bool = False,
    statistics: StatisticsTerms | None = None,
    epsilon: float = 8.0,
) -> DeployedData:
    """Three film sites that share users but no film, as in the recipe `quickstart`.

    Parameters
    ----------
    folder
        Where their files are written.
    rounds, width, steps, ring
        Rounds, width of the model, local steps, and the ring of secure aggregation.
    content
        Whether the content model is trained in the same rounds.
    statistics
        Of shared films, before the rounds; without it the sites share none.
    epsilon
        Of the plan.
    """
    encoder = load_encoder(load_recipe("quickstart").encoder)
    counted = statistics or StatisticsTerms()
    template = PLAN + (CONTENT if content else "") + (STATISTICS if statistics else "")
    plan = template.format(
        rounds=rounds,
        width=width,
        steps=steps,
        ring_bits=ring.bits,
        update_range=ring.update_range,
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        frequent=counted.frequent,
        noise=counted.noise_multiplier,
        epsilon=epsilon,
    )
    tables = movielens_tables(shared=statistics is not None)
    if statistics is not None:
        tables = {name: _renumbered(name, *pair) for name, pair in tables.items()}
    platforms = {name: _files(folder / name, *pair) for name, pair in tables.items()}
    return DeployedData(platforms=platforms, plan=plan)


def _renumbered(
    name: str, events: pd.DataFrame, items: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A platform's tables with its own numbers of films, the common ones in `PUBLIC_ID`."""
    own = f"{name}-"
    events = events.assign(**{ITEM: own + events[ITEM]})
    return events, items.assign(**{PUBLIC_ID: items[ITEM], ITEM: own + items[ITEM]})


def _files(folder: Path, events: pd.DataFrame, items: pd.DataFrame) -> PlatformFiles:
    folder.mkdir(parents=True)
    events.to_csv(folder / "events.csv", index=False)
    items.to_csv(folder / "items.csv", index=False)
    return PlatformFiles(
        events=folder / "events.csv",
        items=folder / "items.csv",
        declared=declared_users(events[USER].nunique()),
        user=str(events[USER].iloc[0]),
        public_id=PUBLIC_ID if PUBLIC_ID in items else "",
    )
