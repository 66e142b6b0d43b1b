"""Statistics in a lab run: released once, read afterwards, charged inside the same epsilon."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.models.config import EncoderChoice
from shared.plan import Aggregation, LocalSteps, PrivacyTerms
from shared.statistics import StatisticsTerms
from simulations.federated import FederatedLab, FederatedTask
from tests.federation import MODEL, training_data

IDS = [[f"gtin-{n}" for n in range(i, i + 30)] for i in (0, 3, 6)]


def _lab(root: Path) -> FederatedLab:
    task = FederatedTask(
        names=("a", "b", "c"),
        encoder=EncoderChoice(name="hashed-words", fingerprint="11" * 32),
        model=MODEL,
        local=LocalSteps(steps=1, batch_users=16),
        aggregation=Aggregation(),
        rounds=1,
        privacy=PrivacyTerms(epsilon=8.0),
        seed=0,
        statistics=StatisticsTerms(frequent=8),
    )
    return FederatedLab(root, task, [training_data(i) for i in range(3)], IDS)


@pytest.mark.slow
def test_statistics_are_released_once_and_stay_inside_the_plans_epsilon(tmp_path: Path) -> None:
    first = _lab(tmp_path).run("grid", lambda *_: None)
    again = _lab(tmp_path).run("grid", lambda *_: None)
    assert first.reports == again.reports
    for name, shared in (("a", 27), ("b", 30), ("c", 27)):  # at two of the three at least
        one, other = first.statistics[name], again.statistics[name]
        assert np.array_equal(one.popularity, other.popularity)
        assert np.count_nonzero(one.places >= 0) == shared
        assert len(first.epsilon[name]) == 1
        assert 7 < first.epsilon[name][0] <= 8
