"""Simulated behaviour."""

import numpy as np

from simulations.datasets.behaviour import END, Habits, Sequences, Shelves, simulate

TOPICS, PARTS, USERS = 6, 3, 400
STEPS = np.cumsum([[0.8, 0.2], [0.6, 0.4], [1.0, 0.0]], axis=1)


def play(habits: Habits, seed: int = 0, items: int = 600, length: int = 30) -> Sequences:
    generator = np.random.default_rng(seed)
    cells = generator.permutation(np.arange(items) % (TOPICS * PARTS))
    shelves = Shelves.fill(cells, TOPICS * PARTS, generator)
    tastes = generator.dirichlet(np.full(TOPICS, 0.2), USERS)
    lengths = np.full(USERS, length)
    return simulate(tastes, lengths, shelves, STEPS, 1, habits, generator)


def test_no_user_meets_an_item_twice_and_time_only_grows() -> None:
    found = play(Habits())
    pairs = set(zip(found.users.tolist(), found.items.tolist(), strict=True))
    assert len(pairs) == len(found.users)
    same = np.diff(found.users) == 0
    assert (np.diff(found.users) >= 0).all()
    assert (np.diff(found.times)[same] > 0).all()
    assert found.times.max() <= END


def test_everyone_gets_the_events_asked_for_while_there_are_items() -> None:
    assert (np.bincount(play(Habits()).users) == 30).all()
    assert (np.bincount(play(Habits(), items=10).users) <= 10).all()


def test_the_same_seed_repeats_and_another_does_not() -> None:
    assert np.array_equal(play(Habits()).items, play(Habits()).items)
    assert not np.array_equal(play(Habits()).items[:500], play(Habits(), seed=1).items[:500])


def test_draws_stay_within_the_cell_or_its_lender() -> None:
    generator = np.random.default_rng(0)
    cells = np.array([0, 2, 2, 5])
    shelves = Shelves.fill(cells, 6, generator)
    drawn = shelves.draw(np.repeat(np.arange(6), 50), generator).reshape(6, 50)
    lenders = [0, 2, 2, 5, 5, 5]
    for cell, lender in enumerate(lenders):
        assert set(cells[drawn[cell]]) == {lender}


def test_within_a_session_the_parts_follow_each_other() -> None:
    generator = np.random.default_rng(0)
    cells = np.arange(6000) % (TOPICS * PARTS)
    shelves = Shelves.fill(cells, TOPICS * PARTS, generator)
    tastes = generator.dirichlet(np.full(TOPICS, 0.2), USERS)
    habits = Habits(advance=1, leave=0.1)
    found = simulate(tastes, np.full(USERS, 20), shelves, STEPS, 1, habits, generator)
    topic, part = np.divmod(cells[found.items], PARTS)
    within = (np.diff(found.users) == 0) & (np.diff(found.times) < 600)
    advanced = (np.diff(topic) == 0) & (np.diff(part) % PARTS == 1)
    assert advanced[within].mean() > 0.9
