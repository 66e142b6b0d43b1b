import numpy as np
import pytest

from clients.data.dataset import Histories
from clients.evaluation.errors import NoTimesError
from clients.evaluation.other_splits import time_split, user_fold
from tests.clients.recommenders.small_data import histories


def _some(users: int = 30) -> Histories:
    random = np.random.default_rng(1)
    return histories(
        *[random.permutation(40)[: random.integers(0, 9)].tolist() for _ in range(users)]
    )


def _timed(*users: list[tuple[int, float]]) -> Histories:
    flat = [pair for user in users for pair in user]
    return Histories(
        users=tuple(f"u{n}" for n in range(len(users))),
        offsets=np.concatenate([[0], np.cumsum([len(u) for u in users])]).astype(np.int64),
        items=np.array([item for item, _ in flat], dtype=np.int32),
        events=np.zeros(len(flat), dtype=np.int8),
        times=np.array([time for _, time in flat], dtype=np.float64),
    )


def test_the_folds_of_one_seed_test_every_evaluated_user_exactly_once() -> None:
    everyone = _some()
    tested = [
        user
        for fold in range(5)
        for user in user_fold(everyone, folds=5, fold=fold, seed=3).test.contexts.users
    ]
    evaluated = [u for u, n in zip(everyone.users, everyone.lengths, strict=True) if n >= 3]
    assert sorted(tested) == sorted(evaluated)


def test_nothing_of_a_test_user_is_trained_on_or_validated_with() -> None:
    split = user_fold(_some(), folds=3, fold=1, seed=0)
    tested = set(split.test.contexts.users)
    assert tested
    assert tested.isdisjoint(split.training.users)
    assert tested.isdisjoint(split.validation.contexts.users)


def test_other_users_train_on_all_but_their_last_item_which_validates() -> None:
    everyone = histories([0, 1, 2, 3], [4, 5, 6], [7, 8])
    split = user_fold(everyone, folds=100, fold=99, seed=0)
    assert split.validation.targets.tolist() == [3, 6]
    assert split.training.items.tolist() == [0, 1, 2, 4, 5, 7, 8]
    assert len(split.test) == 0


def test_a_time_split_trains_on_nothing_that_happened_after_the_test_began() -> None:
    random = np.random.default_rng(0)
    users = [
        [
            (int(item), float(t))
            for item, t in zip(random.permutation(30)[:6], np.sort(random.random(6)), strict=True)
        ]
        for _ in range(60)
    ]
    everyone = _timed(*users)
    split = time_split(everyone, validation_share=0.2, test_share=0.2)
    assert len(split.test) > 10
    assert len(split.validation) > 10
    assert split.training.times.max() < np.quantile(everyone.times, 0.6)
    assert split.test.contexts.times.max() < np.quantile(everyone.times, 0.8)


def test_the_target_in_time_is_the_first_item_that_the_user_had_not_met() -> None:
    everyone = _timed(
        [(0, 0.0), (1, 1.0), (0, 8.0), (2, 9.0)], [(3, 0.5), (4, 1.5)], [(5, 9.5)], [(6, 2.0)]
    )
    split = time_split(everyone, validation_share=0.0, test_share=0.4)
    assert split.test.targets.tolist() == [2]
    assert split.test.contexts.items.tolist() == [0, 1]


def test_events_without_times_cannot_be_split_by_time() -> None:
    ordinal = Histories(
        users=(),
        offsets=np.zeros(1, dtype=np.int64),
        items=np.zeros(0, dtype=np.int32),
        events=np.zeros(0, dtype=np.int8),
        times=np.zeros(0),
        ordinal=True,
    )
    with pytest.raises(NoTimesError):
        time_split(ordinal)
