import numpy as np
import pytest

from clients.evaluation.metrics import (
    coverage,
    hit,
    intra_list_diversity,
    ndcg,
    reciprocal_rank,
    standard_error,
)

RANKS = np.array([1, 3, 10, 11])


def test_hits_are_counted_up_to_and_including_k() -> None:
    assert hit(RANKS, 10).tolist() == [1, 1, 1, 0]


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    assert ndcg(RANKS, 10) == pytest.approx([1.0, 0.5, 1 / np.log2(11), 0.0])


def test_reciprocal_rank_has_no_cut_off() -> None:
    assert reciprocal_rank(RANKS) == pytest.approx([1, 1 / 3, 1 / 10, 1 / 11])


def test_coverage_counts_distinct_items_within_k_and_ignores_missing_ones() -> None:
    top = np.array([[0, 1, 5], [1, -1, -1]], dtype=np.int32)
    assert coverage(top, 10, k=2) == pytest.approx(0.2)


def test_diversity_is_one_minus_the_mean_pairwise_cosine() -> None:
    vectors = np.array([[2, 0], [0, 3], [1, 1], [-1, 0]], dtype=np.float32)
    top = np.array([[0, 1, 2], [0, 0, 0], [0, 3, -1], [1, -1, -1]], dtype=np.int32)
    expected = [1 - (0 + 2 / np.sqrt(2)) / 3, 0.0, 2.0, 0.0]
    assert intra_list_diversity(top, vectors, k=3) == pytest.approx(expected)


def test_an_item_without_a_vector_is_unlike_all_others() -> None:
    vectors = np.array([[1, 0], [0, 0]], dtype=np.float32)
    top = np.array([[0, 1]], dtype=np.int32)
    assert intra_list_diversity(top, vectors, k=2).tolist() == [1.0]


def test_standard_error_is_that_of_the_mean() -> None:
    assert standard_error(np.array([0.0, 1.0, 0.0, 1.0])) == pytest.approx(0.5 / np.sqrt(3))
    assert standard_error(np.array([1.0])) == 0.0
