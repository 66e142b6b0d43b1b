"""What the attacks found: the typed content of ``attacks.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt

from clients.evaluation.bootstrap import Interval
from shared.config import StrictModel
from shared.files import write_json
from simulations.results import UpliftInterval, read_schema

SCHEMA: Final = 1
ATTACKS_FILE: Final = "attacks.json"

Setting = Literal["plain", "dp", "secagg", "both"]
"""What protects the updates: nothing, noise, masks, noise and masks."""
View = Literal["update", "upload", "opened", "released"]
"""What the attacker looks at: a node's update, its masked upload, the opened sum, the model."""
Group = Literal["users", "canaries"]
Conduct = Literal["honest", "poisoned", "boosted", "over_the_norm", "within_the_norm"]
"""What the malicious partner does; see `simulations.attacks.promotion`."""

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Positive = Annotated[FiniteFloat, Field(ge=0)]


class InversionRow(StrictModel):
    """Items recovered from one kind of view."""

    setting: Setting
    view: View
    batch_users: NonNegativeInt
    steps: NonNegativeInt
    trials: NonNegativeInt
    items: Positive
    """Items behind an update, mean."""
    recall: UpliftInterval
    """Share of them among as many best-scored items of the catalogue."""
    chance: Share
    """The same by guessing."""
    auc: UpliftInterval
    """Over the catalogue; 0.5 is chance."""


class MembershipRow(StrictModel):
    """Membership told from one kind of view."""

    setting: Setting
    view: View
    group: Group
    claimed_epsilon: Positive | None
    """What the ledger would say of the whole training; None without noise."""
    delta: Positive
    coins: NonNegativeInt
    """Inclusions guessed, over all trainings."""
    auc: UpliftInterval
    tpr: UpliftInterval
    """Members found where 1% of the others are taken for members."""
    epsilon_bound: Positive
    """Epsilon that is refuted at 95%."""
    largest_bound: Positive
    """The same had every guess been right: no more could have been shown."""


class PromotionRow(StrictModel):
    """An item promoted by one partner of several."""

    conduct: Conduct
    norm_bound: Positive
    """Norm that the plan sets; 0 = none."""
    update_norm: Positive
    """Norm of the attacker's update, mean."""
    items: NonNegativeInt
    refused_sums: NonNegativeInt
    """Promotions that ended because the sum was out of bounds."""
    refused_releases: NonNegativeInt
    """Of the others, those whose model the victim's gate did not let in."""
    unweighted_releases: NonNegativeInt
    """Of the others, those to whose model the victim's fusion gave no weight."""
    catalogue: Positive
    """Items of a victim, mean."""
    released_rank: UpliftInterval | None
    """The item's mean rank in the released model."""
    released_shift: UpliftInterval | None
    """Places that it rises by, against the honest training."""
    served_rank: UpliftInterval | None
    """Its mean rank in what the victim serves after fusion and gate."""
    served_shift: UpliftInterval | None
    served_top_10: UpliftInterval | None
    """Share of users with the item among their first ten, as served."""
    refused_alone: NonNegativeInt
    """Of the others, those that the gate would refuse if the node served the bare model."""
    quality: UpliftInterval | None
    """NDCG@10 of the bare model minus that of the untrained one, on the gate's users."""


class AttackResults(StrictModel):
    """The content of ``attacks.json``."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    recipe: str
    seed: int
    git: str
    victim: str
    """Platform attacked by inversion and membership inference."""
    partners: NonNegativeInt
    epsilon: Positive
    """Claim of the plan behind inversion and promotion."""
    inversion: list[InversionRow] = Field(default_factory=list)
    membership: list[MembershipRow] = Field(default_factory=list)
    promotion: list[PromotionRow] = Field(default_factory=list)
    timings: dict[str, Positive] = Field(default_factory=dict)
    """Stage → wall seconds."""


def shown(interval: Interval) -> UpliftInterval:
    """An interval as it stands in the file."""
    return UpliftInterval(mean=interval.mean, low=interval.low, high=interval.high)


def write_attacks(results: AttackResults, directory: Path) -> Path:
    """Write ``attacks.json`` into `directory`, whole or not at all; returns its path."""
    path = directory / ATTACKS_FILE
    write_json(path, results.model_dump(mode="json", by_alias=True))
    return path


def read_attacks(directory: Path) -> AttackResults:
    """Read ``attacks.json``.

    Raises
    ------
    UnreadableResultsError, OtherSchemaError, InvalidResultsError
    """
    return read_schema(AttackResults, directory / ATTACKS_FILE, SCHEMA)
