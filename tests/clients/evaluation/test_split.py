import numpy as np

from clients.evaluation.split import leave_one_out
from tests.clients.recommenders.small_data import histories


def test_last_item_is_tested_the_one_before_validates_and_the_rest_trains() -> None:
    split = leave_one_out(histories([4, 2, 0, 1], [3, 4, 5]))
    assert split.test.targets.tolist() == [1, 5]
    assert split.test.contexts.items.tolist() == [4, 2, 0, 3, 4]
    assert split.validation.targets.tolist() == [0, 4]
    assert split.validation.contexts.items.tolist() == [4, 2, 3]
    assert split.training.items.tolist() == [4, 2, 3]


def test_users_with_fewer_than_three_items_train_but_are_not_evaluated() -> None:
    split = leave_one_out(histories([0, 1], [2, 3, 4], [5], []))
    assert split.test.contexts.users == ("u1",)
    assert split.training.users == ("u0", "u1", "u2", "u3")
    assert split.training.items.tolist() == [0, 1, 2, 5]


def test_a_repeated_item_is_never_a_target_and_nothing_behind_a_target_is_seen() -> None:
    split = leave_one_out(histories([0, 1, 0, 2, 3, 2, 3, 3]))
    assert split.test.targets.tolist() == [3]
    assert split.test.contexts.items.tolist() == [0, 1, 0, 2]
    assert split.validation.targets.tolist() == [2]
    assert split.validation.contexts.items.tolist() == [0, 1, 0]
    assert split.training.items.tolist() == [0, 1, 0]


def test_times_and_events_follow_their_items() -> None:
    split = leave_one_out(histories([4, 2, 0, 1], [3, 4, 5]))
    assert split.test.contexts.times.tolist() == [0, 1, 2, 0, 1]
    assert len(split.test.contexts.events) == 5


def test_no_target_stands_in_its_own_context_whatever_the_histories() -> None:
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, 6, size=rng.integers(0, 12)).tolist() for _ in range(200)]
    split = leave_one_out(histories(*rows))
    for fold in (split.validation, split.test):
        assert len(fold) > 50
        for user in range(len(fold)):
            assert fold.targets[user] not in fold.contexts.items_of(user)


def test_taking_questions_keeps_context_and_target_together() -> None:
    fold = leave_one_out(histories([0, 1, 2], [3, 4, 5])).test.take(np.array([1]))
    assert fold.targets.tolist() == [5]
    assert fold.contexts.items.tolist() == [3, 4]


def test_an_empty_platform_splits_into_nothing() -> None:
    split = leave_one_out(histories())
    assert len(split.test) == len(split.validation) == len(split.training) == 0
