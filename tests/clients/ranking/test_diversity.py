"""Diversity: MMR and DPP do what their papers say; caps hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.ranking.diversity import (
    Determinant,
    MarginalRelevance,
    kernel_column,
    select,
)
from clients.ranking.facts import unit_rows


def pool(seed: int, size: int, dims: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Falling relevance and unit vectors."""
    generator = np.random.default_rng(seed)
    relevance = np.sort(generator.random(size))[::-1].copy()
    return relevance, unit_rows(generator.normal(size=(size, dims)).astype(np.float32))


def alone(size: int) -> np.ndarray:
    return np.arange(size, dtype=np.int64)


def brute_force_dpp(relevance: np.ndarray, vectors: np.ndarray, dial: float, k: int) -> list[int]:
    """Greedy by whole determinants."""
    kernel = np.stack([kernel_column(vectors, n) for n in range(len(vectors))])
    chosen: list[int] = []
    for _ in range(k):
        worth = []
        for n in range(len(relevance)):
            members = [*chosen, n]
            sub = kernel[np.ix_(members, members)]
            gain = np.linalg.slogdet(sub)[1]
            value = (1 - dial) * sum(relevance[members]) + dial * gain
            worth.append(-np.inf if n in chosen else value)
        chosen.append(int(np.argmax(worth)))
    return chosen


@given(seed=st.integers(0, 10_000), dial=st.sampled_from([0.1, 0.5, 0.9, 1.0]))
@settings(deadline=None, max_examples=60)
def test_fast_dpp_equals_greedy_by_determinants(seed: int, dial: float) -> None:
    relevance, vectors = pool(seed, 12)
    fast, _ = select(relevance, Determinant(vectors, 6), dial, alone(12), 0, 6)
    assert fast.tolist() == brute_force_dpp(relevance, vectors, dial, 6)


def test_mmr_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    relevance = np.array([1.0, 0.9, 0.5])
    chosen, _ = select(relevance, MarginalRelevance(vectors), 0.5, alone(3), 0, 3)
    assert chosen.tolist() == [0, 2, 1]  # 0.45 - 0.5 < 0.25 - 0


@pytest.mark.parametrize("name", ["mmr", "dpp"])
def test_equal_items_come_last_when_variety_is_all(name: str) -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    variety = MarginalRelevance(vectors) if name == "mmr" else Determinant(vectors, 4)
    chosen, _ = select(np.array([1.0, 0.9, 0.5, 0.0]), variety, 1.0, alone(4), 0, 4)
    assert chosen[0] == 0
    assert chosen[-1] == 1


@given(seed=st.integers(0, 10_000), k=st.integers(1, 15), dpp=st.booleans())
@settings(deadline=None)
def test_dial_zero_is_the_order_of_relevance(seed: int, k: int, dpp: bool) -> None:
    relevance, vectors = pool(seed, 12)
    variety = Determinant(vectors, 12) if dpp else MarginalRelevance(vectors)
    chosen, _ = select(relevance, variety, 0.0, alone(12), 0, k)
    assert chosen.tolist() == list(range(min(k, 12)))


@given(
    groups=st.lists(st.integers(0, 4), min_size=1, max_size=25),
    cap=st.integers(1, 4),
    k=st.integers(1, 12),
    dial=st.sampled_from([0.0, 0.3, 1.0]),
)
@settings(deadline=None)
def test_caps_hold_whenever_they_can(groups: list[int], cap: int, k: int, dial: float) -> None:
    relevance, vectors = pool(len(groups), len(groups))
    numbers = np.array(groups, dtype=np.int64)
    chosen, kept = select(relevance, Determinant(vectors, k), dial, numbers, cap, k)
    length = min(k, len(groups))
    feasible = sum(min(cap, groups.count(g)) for g in set(groups)) >= length
    assert kept == feasible
    assert len(set(chosen.tolist())) == len(chosen) == length
    if feasible:
        assert np.bincount(numbers[chosen]).max() <= cap


def test_a_pool_of_equal_items_does_not_break_the_determinant() -> None:
    vectors = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (30, 1))
    chosen, _ = select(np.linspace(1, 0, 30), Determinant(vectors, 20), 0.5, alone(30), 0, 20)
    assert chosen.tolist() == list(range(20))
