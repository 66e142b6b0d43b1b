"""Profiles hold what came before, and the question is what came next."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clients.training.profiles import ProfileSet, latest_profiles
from shared.models.config import ContentConfig
from tests.clients.training.worlds import histories_of, item_vectors_of

CONFIG = ContentConfig(item_dim=16, profiles_per_user=3, history_length=5, profile_decay=0.5)
VECTORS = item_vectors_of()


def test_a_profile_is_the_decayed_mean_of_the_events_before_the_following_one() -> None:
    batch = ProfileSet(histories_of([4, 7, 9, 2]), VECTORS, CONFIG).batch(np.array([0]))
    expected = [VECTORS[4], 0.5 * VECTORS[4] + VECTORS[7]]
    expected.append(0.25 * VECTORS[4] + 0.5 * VECTORS[7] + VECTORS[9])
    torch.testing.assert_close(batch.vectors[0], F.normalize(torch.stack(expected), dim=-1))
    assert batch.following.tolist() == [[7, 9, 2]]
    assert batch.mask.tolist() == [[1, 1, 1]]


def test_what_a_user_had_before_is_no_candidate() -> None:
    batch = ProfileSet(histories_of([4, 7, 9]), VECTORS, CONFIG).batch(np.array([0]))
    pairs = set(zip(batch.seen.rows.tolist(), batch.seen.items.tolist(), strict=True))
    assert pairs == {(1, 4), (2, 4), (2, 7)}


def test_users_with_one_event_or_none_have_no_profile() -> None:
    batch = ProfileSet(histories_of([4], []), VECTORS, CONFIG).batch(np.array([0, 1]))
    assert batch.mask.sum() == 0
    assert torch.isfinite(batch.vectors).all()


def test_an_empty_batch_is_fine() -> None:
    batch = ProfileSet(histories_of([4, 7]), VECTORS, CONFIG).batch(np.array([], dtype=np.int64))
    assert batch.vectors.shape == (0, 3, 16)


@pytest.mark.parametrize("user", [[3, 8, 1], [3], [5, 6, 7, 8, 9, 10, 11, 12]])
def test_the_latest_profile_holds_everything_recent(user: list[int]) -> None:
    found = latest_profiles(histories_of([0, 1], user), VECTORS, CONFIG)[1]
    recent = user[-CONFIG.history_length :]
    total = sum(0.5**age * VECTORS[item] for age, item in enumerate(reversed(recent)))
    torch.testing.assert_close(found, F.normalize(torch.as_tensor(total), dim=-1))


def test_nobody_and_nothing_give_zero_profiles() -> None:
    assert latest_profiles(histories_of([]), VECTORS, CONFIG).tolist() == [[0.0] * 16]


def test_training_and_serving_make_the_same_profile() -> None:
    batch = ProfileSet(histories_of([4, 7, 9, 2]), VECTORS, CONFIG).batch(np.array([0]))
    serving = latest_profiles(histories_of([4, 7, 9]), VECTORS, CONFIG)
    torch.testing.assert_close(batch.vectors[:, -1], serving)
