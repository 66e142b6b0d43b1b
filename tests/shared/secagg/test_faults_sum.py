"""At most one sum of a round opens, and no sum but the true one is accepted."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from shared.secagg import MemoryLockStore, Refusal
from shared.secagg.codec import Kind, bitmap, frame
from shared.secagg.cohort import build_roster, cohorts
from tests.shared.secagg.cheating import RULES, VICTIM, at, finished, refusal_after_upload
from tests.shared.secagg.grid import Grid, participant, policy, session


def test_a_sum_that_differs_in_one_coordinate_is_refused():
    grid, aggregate = finished()
    forged = aggregate.ring_sum.copy()
    forged[2] += 1
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(grid.results[VICTIM], forged)
    assert refusal.value.code == "SA-022"


def test_a_forged_word_or_tag_is_refused():
    for place in (40, 50, 70, -1):
        grid, aggregate = finished()
        message = bytearray(grid.results[VICTIM])
        message[38 + 32 if place == 40 else place] ^= 1
        with pytest.raises(Refusal):
            grid.nodes[VICTIM].verify(bytes(message), aggregate.ring_sum)


def test_a_scaled_sum_with_a_scaled_tag_is_refused():
    """The pads keep the coordinator from using that tags are linear."""
    grid, aggregate = finished()
    message, count = grid.results[VICTIM], 8 * (1 + RULES.tag_words)
    words = np.frombuffer(message[70 : 70 + count], "<u8") * np.uint64(2)
    wide = (2 * int.from_bytes(message[-16:], "little")) % 2**128
    doubled = message[:70] + words.tobytes() + wide.to_bytes(16, "little")
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(doubled, aggregate.ring_sum * np.uint32(2))
    assert refusal.value.code == "SA-022"


def test_a_sum_of_other_survivors_is_refused():
    grid, aggregate = finished()
    message = grid.results[VICTIM]
    other = message[:38] + bitmap(RULES, (1, 2, 3, 4)) + message[70:]
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(other, aggregate.ring_sum)
    assert refusal.value.code == "SA-022"


def test_two_sums_of_a_round_would_need_more_honest_partners_than_there_are():
    """2 (t - c) > N - c: revealers of two sessions of one round cannot be disjoint."""
    for n in range(3, 40):
        for colluders in range(n // 3 + 1):
            t = (n + colluders) // 2 + 1
            if max(t, colluders + 2) <= n:
                assert policy(n, colluders).threshold == t
            assert 2 * (t - colluders) > n - colluders


def test_a_retry_after_a_partial_unmask_opens_nothing_more():
    """The coordinator gets shares from just t nodes, claims failure and retries with the others."""
    rules = policy(7, 2)
    stores = {i: MemoryLockStore() for i in rules.ids}
    first = {i: participant(i, rules, session(), lock_store=stores[i]) for i in rules.ids}
    later = dict.fromkeys(rules.ids[rules.threshold :], "unmask")
    Grid(rules, nodes=first, dropped=later).run()
    second = session(attempt=1)
    nodes = {i: participant(i, rules, second, lock_store=stores[i]) for i in rules.ids}
    grid = Grid(rules, second, nodes=nodes)
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == "SA-009"
    assert len(grid.refused) == rules.threshold


def test_no_two_opened_sets_for_any_split_of_signers():
    """Exhaustive for N = 7, c = 2: two survivor sets cannot both gather t signatures."""
    rules = policy(7, 2)
    honest = [i for i in rules.ids if i > rules.colluders]
    for size in range(len(honest) + 1):
        for side in combinations(honest, size):
            other = len(honest) - len(side)
            both = min(len(side), other) + rules.colluders >= rules.threshold
            assert not both


def test_cohort_context_differs_with_everything_that_it_binds():
    grid = Grid(RULES)
    raw = [grid.nodes[i].advertise() for i in RULES.ids]
    contexts = set()
    for place in (session(), session(round=2), session(attempt=1), session(run_id=b"s" * 16)):
        nodes = {i: participant(i, RULES, place) for i in RULES.ids}
        adverts, roster = build_roster([nodes[i].advertise() for i in RULES.ids], RULES, place)
        contexts |= {cohorts(adverts, roster, RULES, place)[0].context}
    adverts, roster = build_roster(raw, RULES, session())
    for place in (session(plan_hash=b"x" * 32), session(model_hash=b"x" * 32)):
        contexts |= {cohorts(adverts, roster, RULES, place)[0].context}
    contexts |= {cohorts(adverts, b"x" * 32, RULES, session())[0].context}
    assert len(contexts) == 7


def test_survivor_frames_of_another_session_are_refused():
    other = frame(Kind.SURVIVOR_SET, RULES, bytes(32), bitmap(RULES, RULES.ids))
    assert refusal_after_upload(at("sign", lambda _: other)).code == "SA-010"


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s.astype("<u2"), lambda s: s.reshape(2, 3)]
)
def test_a_sum_of_another_shape_or_type_is_refused_as_forged(change):
    grid, aggregate = finished()
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(grid.results[VICTIM], change(aggregate.ring_sum))
    assert refusal.value.code == "SA-022"
    assert "the sum is" in refusal.value.problem
