"""Release cards: what a global model is, in numbers that every partner can check.

A card names a model by its digest; the model itself does not travel. Every node computed it from
sums that it verified, and compares. So a card cannot bring a model to a node that the node does
not have already; it says which one the federation stands behind, or, withdrawn, no longer does.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared import __version__
from shared.contract import CONTRACT_VERSION, EVENT_COLUMNS, EVENT_TYPES, ITEM_COLUMNS
from shared.documents import SignedDocument
from shared.hashing import digest
from shared.plan import RunId, TrainingPlan
from shared.wire import WIRE_VERSION

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]


class ReleaseCard(SignedDocument):
    """A global model that the coordinator stands behind; signed by it."""

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
    protocol: int
    """Version of the wire protocol."""
    software: str
    """Version of Isthmus at the coordinator."""
    issued: Moment
    """When the card was signed, UTC."""


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
) -> ReleaseCard:
    """The unsigned card of `model` (P,) after `round_number` rounds of `plan`."""
    terms = plan.privacy
    deltas = sorted(terms.delta(p.declared_users) for p in plan.partners) if terms else None
    return ReleaseCard(
        run_id=plan.run_id,
        plan=plan.digest().hex(),
        purpose=plan.purpose,
        round=round_number,
        partners=len(plan.partners),
        smallest_cohort=smallest_cohort,
        model=model_digest(model),
        parameters=len(model),
        epsilon=terms.epsilon if terms else None,
        delta=(deltas[0], deltas[-1]) if deltas else None,
        noise=terms.noise if terms else None,
        contract=contract_digest(),
        protocol=WIRE_VERSION,
        software=__version__,
        issued=issued,
    )


def model_digest(model: NDArray[np.float32]) -> str:
    """SHA-256 (hex) of a parameter vector (P,), as little-endian float32."""
    return digest("isthmus global model 1", model.astype("<f4").tobytes()).hex()


def contract_digest() -> str:
    """SHA-256 (hex) of the data contract: its version, columns and event types, in order."""
    parts = [str(CONTRACT_VERSION), *EVENT_COLUMNS, "", *ITEM_COLUMNS, "", *EVENT_TYPES]
    return digest("isthmus data contract 1", *(part.encode() for part in parts)).hex()
