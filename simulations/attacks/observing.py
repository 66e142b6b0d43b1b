"""Rounds of a federation, and what somebody who watches them sees in each setting.

Every partner's update goes through a real session of secure aggregation. Beside the masked upload
and the opened sum, a round keeps the update as it was before masking: what the coordinator would
have received without secure aggregation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from clients.charge import charge_of
from clients.local_round import UPDATE, LocalRound
from clients.node_data import TrainingData
from shared.models.parameters import Float32s
from shared.optimiser import ServerState, advance
from shared.plan import TrainingPlan
from shared.secagg import Identity, MemoryLockStore, Participant, Requirements
from shared.secagg.bounds import scale_to_norm
from shared.secagg.fixed_point import dequantise
from shared.start import session, session_policy
from simulations.attacks.world import Cohort
from simulations.masked_sum import masked_sum


class Party(Protocol):
    """A partner, honest or not."""

    def update(self, model: Float32s) -> Float32s:
        """(P,) what it uploads in this round, trained from the global `model` (P,)."""
        ...


class HonestParty:
    """A partner that does what a node does: local rounds under the plan's terms and norm.

    Parameters
    ----------
    plan, number
        The plan, and which of its partners this is.
    data
        What it trains on.
    """

    def __init__(self, plan: TrainingPlan, number: int, data: TrainingData) -> None:
        partner = next(p for p in plan.partners if p.id == number)
        self._round = LocalRound(plan, partner, data, charge_of(plan, partner))
        self._norm, self._kept = plan.aggregation.update_norm, dict[str, Float32s]()

    def update(self, model: Float32s) -> Float32s:
        """See `Party`."""
        self._kept = self._round.run(model, self._kept)
        return scale_to_norm(self._kept[UPDATE], self._norm)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRound:
    """One round; vectors are (P,) float32.

    Attributes
    ----------
    model
        The global model that it began with: public.
    updates
        Partner id → its update, as the coordinator would see it without secure aggregation.
    uploads
        Partner id → its masked upload, read as numbers: with it.
    opened
        The opened sum: with it, and at every partner.
    """

    model: Float32s
    updates: Mapping[int, Float32s]
    uploads: Mapping[int, Float32s]
    opened: Float32s


def observe(
    cohort: Cohort, number: int, model: Float32s, updates: Mapping[int, Float32s]
) -> SeenRound:
    """Round `number` of updates that were trained from `model`, through secure aggregation.

    Raises
    ------
    shared.secagg.Refusal
        A sum out of bounds.
    """
    plan = cohort.plan
    policy, place = session_policy(plan), session(plan, number, 0, model)
    pinned = {p.id: bytes.fromhex(p.identity) for p in plan.partners}
    seats = {
        partner: Participant(
            policy=policy,
            session=place,
            identity=Identity(partner=partner, key=key),
            requirements=Requirements(pinned=pinned),
            lock_store=MemoryLockStore(),
        )
        for partner, key in cohort.keys.items()
    }
    seen = masked_sum(policy, place, seats, updates)
    uploads = {
        partner: dequantise(vector, clip=policy.clip, limit=policy.limit, dtype=np.float32)
        for partner, vector in seen.uploads.items()
    }
    opened = seen.aggregate.sum(np.float32)
    return SeenRound(model=model, updates=updates, uploads=uploads, opened=opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A whole training: its rounds, and the (P,) model that it releases."""

    rounds: tuple[SeenRound, ...]
    released: Float32s


def watch(
    cohort: Cohort,
    parties: Mapping[int, Party],
    after_round: Callable[[], None] = lambda: None,
) -> Watched:
    """Train the whole plan.

    Raises
    ------
    shared.secagg.Refusal
        A sum out of bounds.
    """
    plan = cohort.plan
    state, rounds = ServerState.start(plan), list[SeenRound]()
    for number in range(1, plan.rounds + 1):
        model = state.model
        updates = {partner: party.update(model) for partner, party in parties.items()}
        rounds.append(observe(cohort, number, model, updates))
        state = advance(state, rounds[-1].opened.astype(np.float64), parties, plan)
        after_round()
    return Watched(rounds=tuple(rounds), released=state.released(plan))
