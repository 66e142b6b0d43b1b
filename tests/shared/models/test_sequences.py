from __future__ import annotations

import numpy as np

from shared.models.config import GAP_BUCKETS
from shared.models.sequences import gap_buckets


def test_buckets_grow_by_three_and_never_mean_unknown() -> None:
    seconds = np.array([0, 60, 119, 121, 3600, 86_400, 30 * 86_400, 1e12, -5.0])
    assert gap_buckets(seconds).tolist() == [1, 1, 1, 2, 4, 7, 10, GAP_BUCKETS - 1, 1]
