"""The statistics of a plan on one machine: the nodes' own vectors through a real masked sum.

Every party is the one of a deployment: nodes charge their own ledgers and keep what they counted,
participants lock, sign and verify, the coordinator sees masked words and keyed hashes. Messages are
handed over in memory; carrying them over Flower is not built yet (see docs/privacy.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clients.rounds import Node
from clients.statistics import StatisticsContribution
from shared.plan import Partner, TrainingPlan
from shared.secagg import FileLockStore, Identity, Participant, Requirements
from shared.statistics import ReleaseName, most_wanted
from shared.statistics_session import noise_deviation, statistics_policy, statistics_session
from simulations.masked_sum import masked_sum

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedStatistics:
    """What all partners learn.

    Attributes
    ----------
    popularity
        (A,) noisy popularity of the shared articles or clusters, in weighted users.
    popularity_deviation
        Standard deviation of its noise.
    frequent
        (F,) places of those whose pairs were counted.
    pairs
        Noisy pairs, see `StatisticsContribution.pairs`; empty where none were counted.
    pairs_deviation
        Standard deviation of their noise.
    """

    popularity: Float64s
    popularity_deviation: float
    frequent: Int64s
    pairs: Float64s
    pairs_deviation: float


def run_statistics(
    plan: TrainingPlan,
    nodes: Mapping[int, Node],
    places: Mapping[int, Int64s],
) -> ReleasedStatistics:
    """Both releases of `plan`, one after the other.

    Parameters
    ----------
    nodes
        Partner id → node.
    places
        Partner id → (N,) place of each item of its catalogue among what is counted, or -1.

    Raises
    ------
    PrivacyError
        A node refuses: its budget or its policy.
    shared.secagg.Refusal
    """
    counted = {
        partner.id: _contribution(plan, partner, nodes[partner.id], places[partner.id])
        for partner in plan.partners
    }
    first = _masked_sum(
        plan, "popularity", b"", nodes, {i: one.popularity() for i, one in counted.items()}
    )
    everybody = tuple(counted)
    terms = plan.statistics
    if terms is None or "pairs" not in terms.releases:
        frequent, pairs, deviation = np.zeros(0, dtype=np.int64), np.zeros(0), 0.0
    else:
        frequent = most_wanted(first, terms.pair_cells)
        vectors = {i: one.pairs(frequent) for i, one in counted.items()}
        pairs = _masked_sum(plan, "pairs", frequent.tobytes(), nodes, vectors)
        deviation = noise_deviation(plan, everybody, "pairs")
    for one in counted.values():
        one.forget()
    return ReleasedStatistics(
        popularity=first,
        popularity_deviation=noise_deviation(plan, everybody, "popularity"),
        frequent=frequent,
        pairs=pairs,
        pairs_deviation=deviation,
    )


def _contribution(
    plan: TrainingPlan, partner: Partner, node: Node, places: Int64s
) -> StatisticsContribution:
    node.policy.check(plan, bytes.fromhex(partner.identity))
    directory = node.home.run(plan.run_id)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return StatisticsContribution(
        plan, partner, node.data.histories, places, directory, node.ledger
    )


def _masked_sum(
    plan: TrainingPlan,
    release: ReleaseName,
    chosen: bytes,
    nodes: Mapping[int, Node],
    vectors: Mapping[int, NDArray[np.float32]],
) -> Float64s:
    """Sum of all partners' vectors; every participant verifies it before anybody uses it."""
    policy, session = statistics_policy(plan, release), statistics_session(plan, release, chosen)
    seats = {
        number: Participant(
            policy=policy,
            session=session,
            identity=Identity(partner=number, key=node.identity),
            requirements=_requirements(node, policy.partners, policy.clip),
            lock_store=FileLockStore(node.home.locks),
        )
        for number, node in nodes.items()
    }
    found = masked_sum(policy, session, seats, vectors)
    return np.asarray(found.aggregate.sum(), dtype=np.float64)


def _requirements(node: Node, pinned: Mapping[int, bytes], clip: float) -> Requirements:
    """The node's floors; a count may be as large as its users, whatever updates may be."""
    floor = node.policy.min_cohort
    return Requirements(
        pinned=pinned,  # held against the node's own pinned keys by the policy already
        min_partners=floor,
        min_colluders=node.policy.min_colluders,
        min_survivors=min(3, floor),
        suites=node.policy.accepted_suites,
        max_clip=clip,
        two_parties=floor == 2,
    )
