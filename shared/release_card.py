"""Release cards: what a global model is, in numbers that every partner can check.

A card names a model by its digest; the model itself does not travel. Every node computed it from
sums that it verified, and compares. So a card cannot bring a model to a node that the node does
not have already; it says which one the federation stands behind, or, withdrawn, no longer does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared import __version__
from shared.contract import CONTRACT_VERSION, EVENT_COLUMNS, EVENT_TYPES, ITEM_COLUMNS
from shared.documents import SignedDocument
from shared.hashing import Digest, digest
from shared.plan import RunId, TrainingPlan
from shared.wire import WIRE_VERSION

Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]

_SINCE: Final = {"code": 2, "verified_sum": 2, "statistics": 3}
"""Fields that came after the first version."""
_PACKAGES: Final = ("clients", "server", "shared")


class ReleaseCard(SignedDocument):
    """A global model that the coordinator stands behind; signed by it."""

    # Wider than the other documents': cards of earlier versions are still read.
    version: Literal[1, 2, 3] = 3  # type: ignore[assignment]
    """Version of this format; 2 added `code` and `verified_sum`, 3 added `statistics`."""
    run_id: RunId
    """The run that made it."""
    plan: Digest
    """Digest of the run's plan."""
    purpose: str
    """Why the run took place, from the plan."""
    round: Annotated[int, Field(ge=1)]
    """Rounds after which the model stands."""
    partners: Annotated[int, Field(ge=2)]
    """Partners in the plan."""
    smallest_cohort: Annotated[int, Field(ge=0)]
    """Fewest partners in any round's sum."""
    model: Digest
    """Digest of the model (`model_digest`)."""
    parameters: Annotated[int, Field(ge=1)]
    """Its length."""
    epsilon: float | None
    """User-level epsilon of each partner over the whole plan; None without privacy."""
    delta: tuple[float, float] | None
    """Smallest and largest delta among the partners."""
    noise: str | None
    """Who adds the noise, hence whom epsilon trusts (`shared.plan.PrivacyTerms.noise`)."""
    contract: Digest
    """Digest of the data contract that the models' inputs follow."""
    code: Digest | None = None
    """Digest of the code at the coordinator (`code_digest`); None in version 1 only."""
    verified_sum: Digest | None = None
    """Digest of the last round's sum (`sum_digest`), whose keyed tag every survivor checked; None
    if that round was lost."""
    statistics: Digest | None = None
    """Digest of the private statistics released before the rounds (`statistics_digest`); None where
    the plan has none, and before version 3."""
    protocol: int
    """Version of the wire protocol."""
    software: str
    """Version of Isthmus at the coordinator."""
    issued: Moment
    """When the card was signed, UTC."""

    @model_validator(mode="after")
    def _fields_of_the_version(self) -> Self:
        for name, since in _SINCE.items():
            if self.version < since and getattr(self, name) is not None:
                raise ValueError(f"version {self.version} has no {name}, {since} brought it")
        if self.version > 1 and self.code is None:
            raise ValueError(f"version {self.version} needs code")
        return self

    def signed_values(self) -> dict[str, Any]:
        """Only what the card's version has, so that older signatures still hold."""
        values = super().signed_values()
        return {k: v for k, v in values.items() if self.version >= _SINCE.get(k, 1)}


class Withdrawal(SignedDocument):
    """The coordinator no longer stands behind a model; signed by it."""

    run_id: RunId
    """The run that made it."""
    model: Digest
    """Digest of the model."""
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    """Why, for the people who serve it."""
    issued: Moment
    """When it was withdrawn, UTC."""


def make_card(
    plan: TrainingPlan,
    model: NDArray[np.float32],
    *,
    round_number: int,
    smallest_cohort: int,
    issued: str,
    counts: NDArray[np.float32],
    verified_sum: str | None = None,
) -> ReleaseCard:
    """The unsigned card of `model` (P,) after `round_number` rounds of `plan`.

    Parameters
    ----------
    counts
        (L,) the statistics of the run (`shared.released_counts`); L is 0 where it has none.
    """
    return ReleaseCard(
        run_id=plan.run_id,
        plan=plan.digest().hex(),
        round=round_number,
        smallest_cohort=smallest_cohort,
        model=model_digest(model),
        parameters=len(model),
        contract=contract_digest(),
        code=code_digest(),
        verified_sum=verified_sum,
        statistics=statistics_digest(plan, counts),
        protocol=WIRE_VERSION,
        software=__version__,
        issued=issued,
        **plan_facts(plan),
    )


def plan_facts(plan: TrainingPlan) -> dict[str, Any]:
    """The fields of a card that follow from its plan alone, so that a node can recompute them."""
    terms = plan.privacy
    deltas = sorted(terms.delta(p.declared_users) for p in plan.partners) if terms else None
    return {
        "purpose": plan.purpose,
        "partners": len(plan.partners),
        "epsilon": terms.epsilon if terms else None,
        "delta": (deltas[0], deltas[-1]) if deltas else None,
        "noise": terms.noise if terms else None,
    }


def model_digest(model: NDArray[np.float32]) -> str:
    """SHA-256 (hex) of a parameter vector (P,), as little-endian float32."""
    return digest("isthmus global model 1", model.astype("<f4").tobytes()).hex()


def statistics_digest(plan: TrainingPlan, counts: NDArray[np.float32]) -> str | None:
    """SHA-256 (hex) of a run's released statistics (L,) and its plan; None where L is 0.

    The plan says what each number counts: partners, articles or clusters, in which order.
    """
    if not len(counts):
        return None
    data = counts.astype("<f4").tobytes()
    return digest("isthmus released statistics 1", plan.digest(), data).hex()


def sum_digest(
    plan: TrainingPlan, number: int, vector: NDArray[np.float64], survivors: Sequence[int]
) -> str:
    """SHA-256 (hex) of the sum (d,) of round `number`, its survivors and its plan.

    The keyed tag itself cannot stand on a card: the coordinator must not know its key. This names
    the sum that the tag was checked for.
    """
    facts = f"{plan.digest().hex()} {number} {sorted(survivors)}".encode()
    return digest("isthmus verified sum 1", facts, vector.astype("<f8").tobytes()).hex()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 (hex) of the source files of Isthmus that are installed here, by path."""
    root = Path(__file__).parent.parent
    files = sorted(p.relative_to(root) for name in _PACKAGES for p in (root / name).rglob("*.py"))
    parts = [part for f in files for part in (f.as_posix().encode(), (root / f).read_bytes())]
    return digest("isthmus code 1", *parts).hex()


def contract_digest() -> str:
    """SHA-256 (hex) of the data contract: its version, columns and event types, in order."""
    parts = [str(CONTRACT_VERSION), *EVENT_COLUMNS, "", *ITEM_COLUMNS, "", *EVENT_TYPES]
    return digest("isthmus data contract 1", *(part.encode() for part in parts)).hex()
