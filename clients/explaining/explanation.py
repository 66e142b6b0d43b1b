"""A recommendation's score, taken apart into summands.

A part of the fusion contributes ``weight * log p(item)``. Where the part's scores are logits,
``log p`` is the logit minus a constant, and the logit is a sum over past events and a rest. Where
they are shares, ``log p = f(s)`` with s a sum over past events and a rest; along the straight path
from no evidence, integrated gradients have the closed form ``s_event / s * (f(s) - f(0))``. So each
event's contribution is exact, and everything adds up to the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clients.data.dataset import Float64s, Histories, Int64s
from clients.explaining.errors import NotOneUserError
from clients.recommenders.base import Attributable, Evidence
from clients.recommenders.distributions import Part, nothing_known
from clients.recommenders.fusion import ItemWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReason:
    """What the events of one past item contribute.

    Attributes
    ----------
    item
        Item index.
    event
        Index into `shared.contract.EVENT_TYPES`: the event that contributes most.
    value
        Summand of the score, in nats.
    parts
        Part of the fusion → its share of `value`.
    """

    item: int
    event: int
    value: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All summands of one item's score.

    Attributes
    ----------
    item
        Item index.
    parts
        Part → its summand in the fusion's score.
    reasons
        Past items, the largest contribution first.
    rest
        Part → what of its summand does not come from the user's history.
    adjustments
        What ranking added: freshness, fatigue and the like.
    """

    item: int
    parts: Mapping[str, float]
    reasons: tuple[EventReason, ...]
    rest: Mapping[str, float]
    adjustments: Mapping[str, float]

    @property
    def total(self) -> float:
        """Sum of reasons, rest and adjustments: the score by which the item was ranked."""
        found = sum(reason.value for reason in self.reasons)
        return found + sum(self.rest.values()) + sum(self.adjustments.values())


def explain(
    parts: Mapping[str, tuple[Part, ItemWeights]],
    summands: Mapping[str, Float64s],
    history: Histories,
    targets: Int64s,
    n_items: int,
    adjustments: list[Mapping[str, float]] | None = None,
) -> list[Explanation]:
    """Take the scores of T items apart.

    Parameters
    ----------
    parts
        `Fusion.parts`.
    summands
        Part → (T,) its contribution to the score of each target (`Fusion.contributions`).
    history
        Of one user.
    n_items
        Size of the catalogue that the fusion scored.
    adjustments
        What ranking added to each target.

    Raises
    ------
    NotOneUserError
        `history` holds none or several users.
    """
    if len(history) != 1:
        raise NotOneUserError(f"{len(history)} users instead of one")
    split = {
        name: _split(part, weight, summands[name], history, targets, n_items)
        for name, (part, weight) in parts.items()
    }
    added = adjustments or [{} for _ in targets]
    return [
        Explanation(
            item=int(target),
            parts={name: float(summands[name][row]) for name in parts},
            reasons=_reasons({name: found.events[row] for name, found in split.items()}, history),
            rest={name: float(found.rest[row]) for name, found in split.items()},
            adjustments=dict(added[row]),
        )
        for row, target in enumerate(targets)
    ]


def _split(
    part: Part,
    weight: ItemWeights,
    summand: Float64s,
    history: Histories,
    targets: Int64s,
    n_items: int,
) -> Evidence:
    """Events and rest of one part's summands."""
    wide = np.asarray(summand, dtype=np.float64)
    if not isinstance(part.scorer, Attributable):
        return Evidence(np.zeros((len(targets), len(history.items))), wide)
    evidence, own = part.scorer.evidence(history, targets), weight.at(targets).astype(np.float64)
    if part.kind == "logits":
        events = own[..., None] * evidence.events
    else:
        score = evidence.events.sum(axis=1) + evidence.rest
        gained = wide - own * nothing_known(n_items)
        factor = np.divide(gained, score, out=np.zeros_like(gained), where=score > 0)
        events = factor[:, None] * evidence.events
    return Evidence(events, wide - events.sum(axis=1))


def _reasons(by_part: Mapping[str, Float64s], history: Histories) -> tuple[EventReason, ...]:
    """Contributions of each past item, the largest first; events without any are left out."""
    whole = np.sum(list(by_part.values()), axis=0)
    items, place = np.unique(history.items, return_inverse=True)
    reasons = []
    for number, item in enumerate(items.tolist()):
        own = np.flatnonzero(place == number)
        if not any(values[own].any() for values in by_part.values()):
            continue
        shares = {name: float(values[own].sum()) for name, values in by_part.items()}
        reasons.append(
            EventReason(
                item=item,
                event=int(history.events[own[np.argmax(whole[own])]]),
                value=float(sum(shares.values())),
                parts=shares,
            )
        )
    return tuple(sorted(reasons, key=lambda reason: -reason.value))
