"""Masked vectors look uniform: checks signs and reuse of seeds, not the cipher."""

from __future__ import annotations

import numpy as np
import pytest

from shared.secagg import masks
from shared.secagg.node import masking
from tests.shared.secagg.grid import Grid, policy, session

LENGTH = 20_000


@pytest.fixture(scope="module")
def uploads():
    rules = policy(5, 1, length=LENGTH)
    grid = Grid(rules)
    grid.updates = {i: np.zeros(LENGTH, np.float32) for i in rules.ids}
    grid.run()
    return {i: upload.vector for stage, i, upload in grid.sent if stage == "mask"}


def test_the_bytes_of_masked_zeros_are_uniform(uploads):
    for vector in uploads.values():
        counts = np.bincount(vector.view(np.uint8), minlength=256)
        chi = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
        assert abs(chi - 255) / np.sqrt(2 * 255) < 6


def test_neighbours_and_partners_are_uncorrelated(uploads):
    values = [vector.astype(float) for vector in uploads.values()]
    for vector in values:
        assert abs(np.corrcoef(vector[:-1], vector[1:])[0, 1]) * np.sqrt(LENGTH) < 6
    for i, first in enumerate(values):
        for second in values[i + 1 :]:
            assert abs(np.corrcoef(first, second)[0, 1]) * np.sqrt(LENGTH) < 6


def test_every_partial_sum_of_uploads_still_looks_uniform(uploads):
    partial = sum((uploads[i] for i in (2, 3, 4)), start=uploads[1].copy())
    counts = np.bincount(partial.view(np.uint8), minlength=256)
    chi = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert abs(chi - 255) / np.sqrt(2 * 255) < 6


def test_no_seed_is_used_for_two_streams(monkeypatch):
    """Over two rounds every stream key appears at most twice: once at either end of a pair."""
    used = []

    def spy(vector, plus, minus=(), **options):
        used.extend([*plus, *minus])
        return masks.add_masks(vector, plus, minus, **options)

    monkeypatch.setattr(masking, "add_masks", spy)
    rules = policy(5, 1)
    for number in (1, 2):
        Grid(rules, session(round=number)).run()
    counts = {key: used.count(key) for key in used}
    assert sorted(counts.values()) == [1] * 10 + [2] * 20
