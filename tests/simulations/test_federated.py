"""Federated training in the lab: same result whatever the engine, and resumable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.models.config import EncoderChoice
from shared.plan import Aggregation, LocalSteps, PrivacyTerms
from simulations.federated import (
    FederatedLab,
    FederatedTask,
    TooFewPlatformsError,
    declared_users,
)
from tests.federation import MODEL, training_data


def _task(rounds: int = 2, privacy: PrivacyTerms | None = None) -> FederatedTask:
    return FederatedTask(
        names=("a", "b", "c"),
        encoder=EncoderChoice(name="hashed-words", fingerprint="11" * 32),
        model=MODEL,
        local=LocalSteps(steps=2, batch_users=16),
        aggregation=Aggregation(),
        rounds=rounds,
        privacy=privacy,
        seed=3,
    )


def _silent(_done: int, _total: int, _note: str = "") -> None:
    """No progress shown."""


DATA = [training_data(i) for i in (1, 2, 3)]


def test_a_run_gives_a_model_after_every_round_and_the_epsilon_of_each(tmp_path: Path) -> None:
    lab = FederatedLab(tmp_path, _task(privacy=PrivacyTerms(epsilon=5.0)), DATA)
    result = lab.run("grid", _silent)
    assert [number for number, _ in result.curve] == [0, 1, 2]
    assert result.epsilon.keys() == {"a", "b", "c"}
    for spent in result.epsilon.values():
        assert len(spent) == 2
        assert 0 < spent[0] < spent[1] <= 5.0


def test_platforms_that_share_noise_know_whom_their_epsilon_trusts(tmp_path: Path) -> None:
    shared = replace(
        _task(privacy=PrivacyTerms(epsilon=5.0, noise="distributed")),
        local=LocalSteps(steps=1, batch_users=16),
        aggregation=Aggregation(weights="equal", colluders=1),
    )
    result = FederatedLab(tmp_path, shared, DATA).run("grid", _silent)
    assert result.trusts == 2
    for name, spent in result.epsilon.items():
        assert 0 < spent[0] < spent[1] <= 5.0 < result.alone[name]


def test_an_interrupted_run_continues_after_its_last_round(tmp_path: Path) -> None:
    def stop(done: int, _total: int, _note: str = "") -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FederatedLab(tmp_path, _task(privacy=PrivacyTerms(epsilon=5.0)), DATA).run("grid", stop)
    again = FederatedLab(tmp_path, _task(privacy=PrivacyTerms(epsilon=5.0)), DATA)
    result = again.run("grid", _silent)
    assert [number for number, _ in result.curve] == [0, 1, 2]
    for spent in result.epsilon.values():
        assert len(spent) == 2, "the interrupted round was charged once"


def test_one_platform_is_no_federation(tmp_path: Path) -> None:
    with pytest.raises(TooFewPlatformsError):
        FederatedLab(tmp_path, _task(), DATA[:1])


def test_the_declared_users_are_a_power_of_two_that_the_platform_has() -> None:
    assert [declared_users(n) for n in (2, 3, 4, 943, 1024)] == [2, 2, 4, 512, 1024]


@pytest.mark.timeout(300)
def test_flower_on_ray_runs_the_same_apps(tmp_path: Path) -> None:
    lab = FederatedLab(tmp_path, _task(rounds=1), DATA)
    result = lab.run("ray", _silent)
    assert [number for number, _ in result.curve] == [0, 1]
    assert not np.array_equal(result.curve[0][1], result.curve[1][1])
    assert result.reports[0]["survivors"] == [1, 2, 3]
