"""The sum is exact for every dropout pattern that leaves enough partners, else nothing opens."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.secagg import Refusal, Suite
from shared.secagg.fixed_point import signed
from tests.shared.secagg.exposure import check_nothing_in_clear, revealed
from tests.shared.secagg.grid import STAGES, Grid, policy


def survives(rules, drops, stage):
    """How many partners still send their message of `stage`."""
    place = STAGES.index(stage)
    return sum(drop is None or STAGES.index(drop) > place for drop in drops)


def expected_to_open(rules, drops):
    floor, t = rules.survivor_floor, rules.threshold
    early = all(survives(rules, drops, stage) >= floor for stage in STAGES[:3])
    return early and all(survives(rules, drops, stage) >= t for stage in STAGES[3:])


def check_pattern(rules, drops):
    """Run one dropout pattern and check all that must hold for it."""
    dropped = {i: drop for i, drop in zip(rules.ids, drops, strict=True) if drop}
    grid = Grid(rules, dropped=dropped)
    if not expected_to_open(rules, drops):
        check_closed(grid, rules, drops)
        return
    aggregate = grid.run()
    uploaders = tuple(i for i in rules.ids if grid.active(i, "mask"))
    assert aggregate.survivors == uploaders
    assert signed(aggregate.ring_sum).tolist() == grid.exact(uploaders)
    assert aggregate.words == tuple(
        sum(column) for column in zip(*(grid.words[i] for i in uploaders), strict=True)
    )
    check_nothing_in_clear(grid)
    revealers = {i for i in rules.ids if grid.active(i, "unmask")}
    for (dealer, kind), holders in revealed(grid).items():
        opened = kind == ("self" if dealer in uploaders else "mask")
        assert holders == (revealers if opened else set()), "of each dealer one secret at most"
    for i in uploaders:
        if grid.active(i, "unmask"):
            verified = grid.nodes[i].verify(grid.results[i], aggregate.ring_sum)
            assert verified.words == aggregate.words


def check_closed(grid, rules, drops):
    """Below the floor nothing is revealed; below t revealing stays short of a secret."""
    with pytest.raises(Refusal):
        grid.run()
    kinds = [stage for stage, _, _ in grid.sent]
    if survives(rules, drops, "sign") < rules.threshold:
        assert "unmask" not in kinds
        assert not any(node.revealed for node in grid.nodes.values())
    assert kinds.count("unmask") < rules.threshold
    check_nothing_in_clear(grid)
    for holders in revealed(grid).values():
        assert len(holders) <= kinds.count("unmask"), "shares leave with a reveal only"
    if survives(rules, drops, "advertise") < rules.survivor_floor:
        assert "share" not in kinds, "a share left a node of a cohort that is too small"
    if survives(rules, drops, "share") < rules.survivor_floor:
        assert "mask" not in kinds
    if survives(rules, drops, "mask") < rules.survivor_floor:
        assert "sign" not in kinds


@pytest.mark.parametrize("colluders", [0, 1])
def test_every_dropout_pattern_of_three(colluders):
    rules = policy(3, colluders, length=3, word_limits=(100,))
    for drops in product((*STAGES, None), repeat=3):
        check_pattern(rules, drops)


@pytest.mark.slow
def test_every_dropout_pattern_of_four():
    rules = policy(4, 1, length=3, word_limits=(100,))
    for drops in product((*STAGES, None), repeat=4):
        check_pattern(rules, drops)


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 6])
def test_every_number_of_dropouts_at_every_stage(n):
    """All patterns of five and six up to who it is, which is drawn."""
    rules, rng = policy(n, 1, length=3, word_limits=(100,)), np.random.default_rng(n)
    for losses in combinations_with_replacement((*STAGES, None), n):
        check_pattern(rules, tuple(losses[place] for place in rng.permutation(n)))


@st.composite
def patterns(draw, most):
    n = draw(st.integers(3, most))
    colluders = draw(st.integers(0, (n - 1) // 3))
    bits = draw(st.sampled_from([16, 32]))
    rules = policy(
        n,
        colluders,
        length=draw(st.integers(1, 70)),
        ring_bits=bits,
        noise_std=1.0 if bits == 16 else 0.0,
        word_limits=tuple(draw(st.lists(st.integers(1, 10**6), max_size=3))),
        suite=draw(st.sampled_from([Suite.X25519_AES256, Suite.X25519_CHACHA20])),
        tag_words=draw(st.sampled_from([1, 2])),
    )
    losses = draw(st.integers(0, n - rules.threshold + 1))
    who = draw(st.permutations(range(n)))[:losses]
    drops = [None] * n
    for place in who:
        drops[place] = draw(st.sampled_from(STAGES))
    return rules, tuple(drops)


@given(patterns(8))
@settings(max_examples=60, deadline=None)
def test_sampled_dropout_patterns(pattern):
    check_pattern(*pattern)


@pytest.mark.slow
@given(patterns(12))
@settings(max_examples=1500, deadline=None)
def test_densely_sampled_dropout_patterns_up_to_twelve(pattern):
    check_pattern(*pattern)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_sampled_dropout_patterns_of_sixty_four(seed):
    rng = np.random.default_rng(seed)
    rules = policy(64, 10, length=100, word_limits=(1000,))
    drops = [None] * 64
    for place in rng.permutation(64)[: 64 - rules.threshold + (seed % 2)]:
        drops[place] = STAGES[rng.integers(len(STAGES))]
    check_pattern(rules, tuple(drops))


@pytest.mark.parametrize("suite", list(Suite))
def test_every_suite_sums_with_a_dropout_before_and_after_the_upload(suite):
    rules = policy(5, 0, length=5, suite=suite, word_limits=(100,))
    check_pattern(rules, ("mask", None, None, "sign", None))


@pytest.mark.parametrize("suite", [Suite.X25519_AES256, Suite.HYBRID_AES256])
def test_messages_have_the_documented_sizes(suite):
    """The table of the protocol's page; lists of records begin with a count of two bytes."""
    n, hybrid = 5, int(suite.hybrid)
    rules = policy(n, 1, length=50, word_limits=(9,), suite=suite)
    received = {}

    def tap(stage, _partner, message):
        received[stage] = message
        return message

    grid = Grid(rules, to_node=tap)
    grid.run()
    sent = {stage: message for stage, _, message in grid.sent}
    assert len(sent["advertise"]) == 248 + 2368 * hybrid
    assert len(sent["share"]) == 2 + (314 + 2208 * hybrid) * n + (88 + 32 * n) * hybrid
    assert len(sent["mask"].header) == 216 + 8 * (1 + 2)
    assert sent["mask"].vector.nbytes == 50 * 32 // 8
    assert len(received["sign"]) == 70
    assert len(sent["sign"]) == 168
    assert len(sent["unmask"]) == 136 + 32 * n


def test_two_parties_sum_where_both_say_so():
    check_pattern(policy(2, 0, length=4, two_parties=True), (None, None))


def test_values_at_the_edge_of_the_range_never_wrap():
    rules = policy(7, 2, length=6)
    grid = Grid(rules)
    edge = np.array([1, -1, 3e38, -3e38, 1e-45, -0.0], np.float32)
    grid.updates = dict.fromkeys(rules.ids, edge)
    aggregate = grid.run()
    assert aggregate.sum().round(6).tolist() == [7, -7, 7, -7, 0, 0]
    assert aggregate.mean(np.float32).dtype == np.float32
