"""Groups are public, equal in size, summed apart, and their trimmed mean outvotes one of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from shared.secagg import CollectingAdverts, Refusal, trimmed_mean
from shared.secagg.fixed_point import signed
from shared.secagg.groups import assign
from tests.shared.secagg.grid import Grid, policy, session


def test_groups_cover_everyone_once_and_differ_by_at_most_one():
    groups = assign(b"r" * 32, tuple(range(1, 18)), 5)
    assert sorted(sum(groups, ())) == list(range(1, 18))
    assert {len(group) for group in groups} == {3, 4}
    assert groups != assign(b"s" * 32, tuple(range(1, 18)), 5)


def test_the_trimmed_mean_drops_the_extremes_of_every_coordinate():
    means = [np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([1000.0, -1000.0])]
    assert trimmed_mean(means, 1).tolist() == [1.0, 1.0]
    for trim in (2, -1):
        with pytest.raises(Refusal) as refusal:
            trimmed_mean(means, trim)
        assert refusal.value.code == "SA-001"


@dataclass
class Grouped(Grid):
    """A grid that takes every group through the later stages."""

    aggregates: list = field(default_factory=list)

    def run(self):
        adverts = CollectingAdverts(self.rules, self.place)
        for i, node in self.nodes.items():
            adverts.receive(i, node.advertise())
        stages, roster = adverts.close()
        for shares in stages:
            for i in shares.expected:
                shares.receive(i, self.nodes[i].share(roster[i]))
            uploads, envelopes = shares.close()
            self._masks(envelopes, uploads)
            signatures, sets = uploads.close()
            for i, message in sets.items():
                signatures.receive(i, self.nodes[i].sign_survivors(message))
            reveals, evidence = signatures.close()
            for i, message in evidence.items():
                reveals.receive(i, self.nodes[i].unmask(message))
            aggregate, results = reveals.close()
            self.aggregates.append(aggregate)
            for i, message in results.items():
                self.nodes[i].verify(message, aggregate.ring_sum)


def test_each_group_sums_exactly_and_one_poisoned_group_is_outvoted():
    rules = policy(9, 0, length=3, groups=3, clip=100.0)
    grid = Grouped(rules)
    grid.updates = {i: np.full(3, 0.5, np.float32) for i in rules.ids}
    grid.updates[4] = np.full(3, 100.0, np.float32)
    grid.run()
    assert sorted(i for a in grid.aggregates for i in a.survivors) == list(rules.ids)
    for aggregate in grid.aggregates:
        assert signed(aggregate.ring_sum).tolist() == grid.exact(aggregate.survivors)
    means = [aggregate.mean() for aggregate in grid.aggregates]
    assert np.abs(trimmed_mean(means, 1) - 0.5).max() < 1e-6
    assert np.abs(np.mean(means, axis=0) - 0.5).min() > 5


def test_a_round_with_groups_has_one_attempt():
    """A later attempt would deal new groups, and sums of two attempts could be subtracted."""
    rules = policy(9, 0, groups=3)
    grid = Grid(rules, session(attempt=1))
    with pytest.raises(Refusal):
        grid.run()
    assert {refusal.code for refusal in grid.refused.values()} == {"SA-014"}


def test_a_roster_that_leaves_a_group_too_small_is_refused_before_any_share():
    rules = policy(9, 0, groups=3)
    grid = Grid(rules)
    adverts = CollectingAdverts(rules, grid.place)
    for i in rules.ids[:8]:
        adverts.receive(i, grid.nodes[i].advertise())
    with pytest.raises(Refusal) as refusal:
        adverts.close()
    assert refusal.value.code == "SA-009"
