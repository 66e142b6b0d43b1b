"""Layout, clipping and encoding of the private statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.statistics import (
    StatisticsTerms,
    article_hash,
    articles_digest,
    cluster_pair_sum,
    most_wanted,
    pair_matrix,
    pair_sum,
    popularity_sum,
    shared_articles,
)


def _users(seed: int) -> list[list[int]]:
    """One to six users with up to 12 events each, articles 0 to 7 and unshared ones (-1)."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 13, random.integers(1, 7))
    return [random.integers(-1, 8, length).tolist() for length in lengths]


def _flat(users: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(u) for u in users])]).astype(np.int64)
    return offsets, np.array([place for user in users for place in user], dtype=np.int64)


@given(st.integers(0, 10**6), st.floats(0.2, 5))
def test_one_user_more_moves_popularity_by_a_norm_of_one_at_most(
    seed: int, half_life: float
) -> None:
    everybody = _users(seed)
    change = popularity_sum(*_flat(everybody), 8, half_life) - popularity_sum(
        *_flat(everybody[1:]), 8, half_life
    )
    assert np.linalg.norm(change) <= 1 + 1e-9


@given(st.integers(0, 10**6))
def test_one_user_more_moves_the_pairs_by_a_norm_of_one_at_most(seed: int) -> None:
    everybody = _users(seed)
    change = pair_sum(*_flat(everybody), 8) - pair_sum(*_flat(everybody[1:]), 8)
    assert np.linalg.norm(change) <= 1 + 1e-9


def test_a_pair_is_counted_where_the_matrix_says() -> None:
    counts = pair_sum(*_flat([[0, 3], [3, 0], [1, 2]]), 4)
    matrix = pair_matrix(counts, 4, deviation=0.01)
    assert matrix[0, 3] == matrix[3, 0] == 2
    assert matrix[1, 2] == 1
    assert matrix.sum() == 6


def test_a_user_with_many_articles_is_scaled_to_norm_one() -> None:
    counts = pair_sum(*_flat([[0, 1, 2]]), 3)
    assert counts == pytest.approx([3**-0.5] * 3)


def test_meeting_a_pair_twice_counts_once() -> None:
    assert pair_sum(*_flat([[0, 1, 0, 1]]), 2).tolist() == [1.0]


def test_recent_events_weigh_more_in_popularity() -> None:
    counts = popularity_sum(*_flat([[0, 1]]), 2, half_life=1.0)
    assert counts[1] == pytest.approx(2 * counts[0])


def test_articles_that_are_not_shared_count_nowhere() -> None:
    assert popularity_sum(*_flat([[-1, -1], [], [0]]), 2, 1.0).tolist() == [1.0, 0.0]
    assert pair_sum(*_flat([[-1, 0], [-1, -1]]), 2).tolist() == [0.0]


def test_what_noise_alone_may_have_made_is_no_pair() -> None:
    matrix = pair_matrix(np.array([7.9, 8.1, -20.0]), 3, deviation=2.0)
    assert np.count_nonzero(matrix) == 2
    assert matrix[0, 2] == 8.1


def test_only_articles_of_two_more_partners_than_may_collude_are_shared() -> None:
    lists = [[b"a", b"b", b"b"], [b"a", b"b"], [b"a", b"c"]]
    assert shared_articles(lists, colluders=0) == (b"a", b"b")
    assert shared_articles(lists, colluders=1) == (b"a",)


def test_hashes_agree_between_spellings_of_one_id_and_differ_between_keys() -> None:
    key = bytes(range(32))
    assert article_hash(key, "ISBN 978-3X") == article_hash(key, "isbn978-3x ")
    assert article_hash(key, "1") != article_hash(key, "2")
    assert article_hash(key, "1") != article_hash(bytes(32), "1")


def test_the_digest_depends_on_order_and_content() -> None:
    assert len({articles_digest(x) for x in ([], [b"a"], [b"a", b"b"], [b"b", b"a"])}) == 4


def test_the_most_wanted_stand_in_order_of_place() -> None:
    assert most_wanted(np.array([1.0, 9.0, 3.0, 7.0]), 2).tolist() == [1, 3]


def test_pairs_are_counted_of_as_many_articles_as_there_are() -> None:
    terms = StatisticsTerms(frequent=10, article_count=4)
    assert terms.length("pairs") == 6
    assert StatisticsTerms(frequent=10, article_count=1).releases == ("popularity",)


CLUSTERS = np.array([0, 0, 1, 2, 2, 2, 1, -1])


def _items(users: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return _flat([[item % 8 for item in user] for user in users])


@given(st.integers(0, 10**6))
def test_one_user_more_moves_cluster_pairs_by_a_norm_of_one_at_most(seed: int) -> None:
    everybody = _users(seed)
    one, all_but = (
        cluster_pair_sum(*_items(users), CLUSTERS, 3) for users in (everybody, everybody[1:])
    )
    assert np.linalg.norm(one - all_but) <= 1 + 1e-9


def test_clusters_are_paired_with_themselves_only_by_different_items() -> None:
    twice, both, across = [0, 0], [0, 1], [2, 5, 7]
    counts = cluster_pair_sum(*_flat([twice, both, across]), CLUSTERS, 3)
    matrix = pair_matrix(counts, 3, deviation=0.01, diagonal=True)
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_terms_count_articles_or_clusters_and_are_written_as_before_without_clusters() -> None:
    with pytest.raises(ValidationError, match="not both"):
        StatisticsTerms(clusters=8, article_count=3)
    assert StatisticsTerms(clusters=8).length("popularity") == 8
    assert StatisticsTerms(clusters=8).length("pairs") == 36
    assert StatisticsTerms(clusters=8, frequent=0).releases == ("popularity",)
    assert "clusters" not in StatisticsTerms().model_dump(mode="json")
