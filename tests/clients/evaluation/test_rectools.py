"""Our ranking and metrics against values that RecTools computed (``make compare-metrics``)."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.metrics.case import ours

KEPT: dict[str, Any] = json.loads(Path(__file__).with_name("rectools.json").read_text())


def test_values_of_every_user_agree_with_rectools() -> None:
    found, expected = ours(KEPT["case"])["users"], KEPT["expected"]["users"]
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, abs=1e-9), name


def test_aggregates_agree_with_rectools() -> None:
    assert ours(KEPT["case"])["all"] == pytest.approx(KEPT["expected"]["all"], abs=1e-9)


def test_kept_case_has_hits_and_misses() -> None:
    hits = KEPT["expected"]["users"]["hr@10"]
    assert 0 < sum(hits) < len(hits)
