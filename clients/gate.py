"""The gate: a new model is served only if it is not worse than the one that serves now.

Both rank the node's own hold-out; a paired bootstrap over its users says how surely they differ. A
new model is refused if it is worse beyond chance, its whole 95% interval below zero, by more than
the tolerance. A hold-out too small to tell refuses nothing, and the decision says so. It holds
figures about the platform's users: **private data**, shown at the node and never sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from clients.data.dataset import Float64s
from clients.evaluation.bootstrap import Interval, paired_difference
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import Scorer, evaluate
from clients.evaluation.split import Fold
from shared.config import StrictModel
from shared.errors import ModelError

CUT: Final = 10


class NoHoldOutError(ModelError):
    """A gate without users to judge by."""

    code = "MODEL-100"
    default_remedy = "give the gate users with at least three distinct items, or accept by hand"


class GateSettings(StrictModel):
    """When a new model may be served."""

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the served model's NDCG@10 that a new one may lose."""
    min_users: Annotated[int, Field(ge=1)] = 100
    """Users below whom the decision says that it rests on little."""
    max_users: Annotated[int, Field(ge=1)] = 5000
    """Users looked at; all of them if there are fewer."""


DEFAULTS: Final = GateSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """What the gate found.

    Attributes
    ----------
    accepted
        Whether the new model may be served.
    new, served
        Mean NDCG@10 of both on the same users.
    difference
        New minus served, with its 95% paired bootstrap interval.
    users
        How many were looked at.
    reason
        One sentence for people.
    """

    accepted: bool
    new: float
    served: float
    difference: Interval
    users: int
    reason: str


def gate(
    new: Scorer,
    served: Scorer,
    hold_out: Fold,
    settings: GateSettings = DEFAULTS,
    *,
    seed: int = 0,
) -> GateDecision:
    """Compare two recommenders, neither trained on the targets of `hold_out`.

    Raises
    ------
    NoHoldOutError
        `hold_out` is empty.
    """
    if not len(hold_out):
        raise NoHoldOutError("the hold-out has no users")
    fold = hold_out.sample(settings.max_users, seed)
    return decide(_per_user(new, fold), _per_user(served, fold), settings, seed=seed)


def decide(
    new: Float64s, served: Float64s, settings: GateSettings = DEFAULTS, *, seed: int = 0
) -> GateDecision:
    """The decision from NDCG@10 (B,) of both for the same users, in the same order.

    Raises
    ------
    NoHoldOutError
        There are no users.
    """
    if not len(new):
        raise NoHoldOutError("the hold-out has no users")
    difference = paired_difference(new, served, seed=seed)
    allowed = -settings.tolerance * float(served.mean())
    worse = difference.high < 0 and difference.mean < allowed
    return GateDecision(
        accepted=not worse,
        new=float(new.mean()),
        served=float(served.mean()),
        difference=difference,
        users=len(new),
        reason=_reason(difference, len(new), settings, worse=worse),
    )


def _reason(difference: Interval, users: int, settings: GateSettings, *, worse: bool) -> str:
    change = (
        f"NDCG@{CUT} changes by {difference.mean:+.4f} "
        f"(95% {difference.low:+.4f} to {difference.high:+.4f}, {users} users)"
    )
    if worse:
        return f"refused: {change}"
    if users < settings.min_users:
        return f"accepted on little evidence: {change}"
    return f"accepted{': better' if difference.low > 0 else ': not worse'}: {change}"


def _per_user(scorer: Scorer, fold: Fold) -> Float64s:
    return ndcg(evaluate(scorer, fold.contexts, fold.targets).ranks, CUT)
