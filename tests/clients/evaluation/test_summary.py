import numpy as np
import pytest

from clients.evaluation.ranking import PerUserResult
from clients.evaluation.summary import per_user, summary


def result() -> PerUserResult:
    top = np.full((2, 20), -1, dtype=np.int32)
    top[0, :2] = [0, 1]
    return PerUserResult(ranks=np.array([1, 15]), top=top)


def test_means_and_standard_errors_carry_the_names_of_the_results_file() -> None:
    found = summary(result(), np.eye(4, dtype=np.float32))
    errors = found.pop("se")
    assert found == pytest.approx(
        {
            "hr@10": 0.5,
            "ndcg@10": 0.5,
            "hr@20": 1.0,
            "ndcg@20": (1 + 1 / 4) / 2,
            "mrr": (1 + 1 / 15) / 2,
            "ild@10": 0.5,
            "coverage@10": 0.5,
        }
    )
    assert errors.keys() == found.keys() - {"coverage@10"}
    assert errors["hr@10"] == pytest.approx(0.5)


def test_per_user_values_average_to_the_summary() -> None:
    values = per_user(result())
    assert values["mrr"].tolist() == [1.0, 1 / 15]


def test_a_platform_without_evaluated_users_has_zeros() -> None:
    nobody = PerUserResult(ranks=np.array([], dtype=np.int64), top=np.zeros((0, 20), np.int32))
    assert summary(nobody, np.eye(3, dtype=np.float32))["hr@10"] == 0.0
