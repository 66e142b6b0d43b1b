"""A node's hold-out: means, intervals and the fusion's paired gain."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data.dataset import Histories
from clients.evaluation.own_holdout import FUSION, evaluate_on_holdout
from clients.evaluation.ranking import Float32s
from clients.evaluation.split import leave_one_out
from tests.clients.training.worlds import cyclic_platform

ITEMS = 30


class Oracle:
    """Knows that everybody walks on by one."""

    def scores(self, histories: Histories, /) -> Float32s:
        last = histories.items[histories.offsets[1:] - 1]
        return np.eye(ITEMS, dtype=np.float32)[(last + 1) % ITEMS]


class Nothing:
    """Scores all items alike."""

    def scores(self, histories: Histories, /) -> Float32s:
        return np.zeros((len(histories), ITEMS), dtype=np.float32)


def test_figures_of_a_perfect_and_of_a_useless_system() -> None:
    test = leave_one_out(cyclic_platform(users=40)).test
    seen: list[tuple[int, int]] = []
    report = evaluate_on_holdout(
        {"nothing": Nothing(), FUSION: Oracle()},
        test,
        lambda done, total, note="": seen.append((done, total)),
    )
    assert report.users == 40
    assert report.systems[FUSION]["ndcg@10"].mean == 1.0
    assert report.systems["nothing"]["hr@10"].mean == 0.0
    assert report.gain["nothing"]["hr@10"].low == pytest.approx(1.0)
    assert report.as_json()["systems"][FUSION]["hr@10"]["high"] == pytest.approx(1.0)
    assert seen[-1] == (2, 2)
