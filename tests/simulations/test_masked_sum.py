"""A session on one machine: the coordinator's view holds no update, and the sum is exact."""

from __future__ import annotations

import numpy as np

from shared.secagg import Participant
from simulations.masked_sum import masked_sum
from tests.shared.secagg.grid import participant, policy, session


def test_uploads_are_masked_the_sum_is_right_and_the_updates_are_left_alone() -> None:
    rules, place = policy(4, length=5000), session()
    seats: dict[int, Participant] = {i: participant(i, rules, place) for i in rules.ids}
    updates = {i: np.full(5000, 0.1 * i, np.float32) for i in rules.ids}
    seen = masked_sum(rules, place, seats, updates)
    np.testing.assert_allclose(seen.aggregate.sum(), 1.0, atol=1e-6)
    for i, upload in seen.uploads.items():
        assert (updates[i] == np.float32(0.1 * i)).all()
        assert len(np.unique(upload)) > 4900  # the update is constant, its upload is not
        assert abs(float((upload.astype(np.float64) / 2**32).mean()) - 0.5) < 0.03
