"""The sum is exact for every dropout pattern that leaves enough partners, else closed."""

from __future__ import annotations

from itertools import product

import pytest

from shared.secagg import Refusal
from shared.secagg.fixed_point import signed
from tests.shared.secagg.grid import STAGES, Grid, policy

NEVER = None


def survives(rules, drops, stage):
    """How many partners still send their message of `stage`."""
    place = STAGES.index(stage)
    return sum(drop is None or STAGES.index(drop) > place for drop in drops)


def expected_to_open(rules, drops):
    floor, t = rules.survivor_floor, rules.threshold
    early = all(survives(rules, drops, stage) >= floor for stage in STAGES[:3])
    return early and all(survives(rules, drops, stage) >= t for stage in STAGES[3:])


@pytest.mark.parametrize(("n", "colluders"), [(3, 0), (3, 1), (4, 1)])
def test_every_dropout_pattern(n, colluders):
    rules = policy(n, colluders, length=3, word_limits=(100,))
    for drops in product((*STAGES, NEVER), repeat=n):
        dropped = {i: drop for i, drop in enumerate(drops, 1) if drop}
        grid = Grid(rules, dropped=dropped)
        if not expected_to_open(rules, drops):
            with pytest.raises(Refusal):
                grid.run()
            continue
        aggregate = grid.run()
        uploaders = tuple(i for i in rules.ids if grid.active(i, "mask"))
        assert aggregate.survivors == uploaders
        assert signed(aggregate.ring_sum).tolist() == grid.exact(uploaders)
        assert aggregate.words == (sum(grid.words[i][0] for i in uploaders),)
        for i in uploaders:
            if grid.active(i, "unmask"):
                grid.nodes[i].verify(grid.results[i], aggregate.ring_sum)
