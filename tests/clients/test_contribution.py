"""A round is trained once, charged once, and banded noise goes on exactly where it stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from clients.contribution import Contribution, charge_of
from clients.kept_updates import KeptUpdates, NoiseStateError
from shared.models.behaviour_parameters import initial_parameters
from shared.plan import LocalSteps, PrivacyTerms, TrainingPlan
from shared.privacy.accounting import Budget, epsilon
from shared.privacy.ledger import Ledger
from tests.federation import MODEL, training_data
from tests.plans import make_plan

BANDED = PrivacyTerms(epsilon=4.0, bands=2)
START = initial_parameters(MODEL, 0)


def _plan(privacy: PrivacyTerms = BANDED, rounds: int = 4) -> TrainingPlan:
    local = LocalSteps(steps=4, batch_users=16)
    return make_plan(rounds=rounds, privacy=privacy, model=MODEL, local=local)


class _Home:
    """A node's directory; every `contribution` is another process of it."""

    def __init__(self, path: Path, plan: TrainingPlan) -> None:
        self.path, self.plan = path / "run", plan
        self.path.mkdir()
        self._ledger = path / "ledger.jsonl"

    def ledger(self) -> Ledger:
        return Ledger(self._ledger, node="a", lifetime=Budget(epsilon=8.0, delta=1e-2))

    def contribution(self) -> Contribution:
        data = training_data(1, users=64)
        return Contribution(self.plan, self.plan.partners[0], data, self.path, self.ledger)

    def state(self, number: int) -> dict[str, np.ndarray]:
        return KeptUpdates(self.path).read(number)


@pytest.fixture
def home(tmp_path: Path) -> _Home:
    return _Home(tmp_path, _plan())


def test_all_rounds_with_banded_noise_stay_within_the_plans_epsilon(home: _Home) -> None:
    for number in range(1, 5):
        home.contribution().update(number, START)
    history = home.ledger().history()
    assert {(m.bands, m.steps) for m in history} == {(2, 2)}
    delta = BANDED.delta(64)
    assert 3.9 < epsilon(history, delta) <= 4.0


def test_independent_noise_is_charged_as_before() -> None:
    plan = _plan(PrivacyTerms(epsilon=4.0))
    charge = charge_of(plan, plan.partners[0])
    assert charge is not None
    (mechanism,) = charge.mechanisms
    assert (mechanism.bands, mechanism.steps, mechanism.sample_rate) == (1, 4, 0.25)


def test_the_rate_within_a_group_never_exceeds_one() -> None:
    plan = _plan(PrivacyTerms(epsilon=4.0, bands=4)).model_copy(
        update={"local": LocalSteps(steps=4, batch_users=1000)}
    )
    charge = charge_of(plan, plan.partners[0])
    assert charge is not None
    assert charge.mechanisms[0].sample_rate == 1.0


def test_a_process_started_between_rounds_goes_on_with_the_kept_noise(
    home: _Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.privacy.banded import BandedGradient

    restored: list[object] = []
    monkeypatch.setattr(
        BandedGradient, "restore", _spying(BandedGradient.restore, restored), raising=True
    )
    home.contribution().update(1, START)
    kept = home.state(1)["m.noise"]
    assert kept.shape == (1, len(START))
    home.contribution().update(2, START)
    np.testing.assert_array_equal(restored[-1], kept)
    assert not np.array_equal(home.state(2)["m.noise"], kept)


def _spying(restore, seen):  # type: ignore[no-untyped-def]
    def spy(self, earlier):  # type: ignore[no-untyped-def]
        seen.append(None if earlier is None else earlier.numpy().copy())
        restore(self, earlier)

    return spy


def test_asking_again_sends_the_same_bytes_and_charges_nothing(home: _Home) -> None:
    first = home.contribution().update(1, START)
    head = home.ledger().head
    np.testing.assert_array_equal(home.contribution().update(1, START), first)
    assert home.ledger().head == head


def test_killed_after_keeping_the_kept_update_is_committed_not_another(
    home: _Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Ledger, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            home.contribution().update(1, START)
    kept = home.state(1)["update"]
    update = home.contribution().update(1, START)
    np.testing.assert_array_equal(update, kept)
    assert [s.update is not None for s in home.ledger().spends()] == [True]


def test_killed_while_training_the_round_is_trained_again_under_its_reservation(
    home: _Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.contribution().update(1, START)

    def killed(self: KeptUpdates, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KeptUpdates, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            home.contribution().update(2, START)
    home.contribution().update(2, START)
    assert [s.release.round for s in home.ledger().spends()] == [1, 2]


def test_a_round_that_this_node_missed_does_not_break_the_noise(home: _Home) -> None:
    home.contribution().update(1, START)
    home.contribution().update(3, START)
    assert [s.release.round for s in home.ledger().spends()] == [1, 3]


def test_a_lost_noise_state_ends_the_run_at_this_node(home: _Home) -> None:
    home.contribution().update(1, START)
    shutil.rmtree(home.path)
    home.path.mkdir()
    head = home.ledger().head
    for number in (1, 2):
        with pytest.raises(NoiseStateError, match="round 1 is not there"):
            home.contribution().update(number, START)
    assert home.ledger().head == head


def test_an_older_noise_state_put_back_is_refused(home: _Home, tmp_path: Path) -> None:
    home.contribution().update(1, START)
    shutil.copytree(home.path, tmp_path / "backup")
    home.contribution().update(2, START)
    shutil.rmtree(home.path)
    shutil.copytree(tmp_path / "backup", home.path)
    with pytest.raises(NoiseStateError, match="round 2 is not there"):
        home.contribution().update(3, START)


def test_a_kept_update_that_is_not_the_released_one_is_refused(home: _Home) -> None:
    home.contribution().update(1, START)
    other = {**home.state(1), "update": START}
    KeptUpdates(home.path).keep(1, other)
    with pytest.raises(NoiseStateError, match="not the one that was released"):
        home.contribution().update(2, START)


def test_an_earlier_round_is_not_trained_behind_a_later_one(home: _Home) -> None:
    home.contribution().update(2, START)
    with pytest.raises(NoiseStateError, match="would follow"):
        home.contribution().update(1, START)


def test_independent_noise_needs_no_state(tmp_path: Path) -> None:
    home = _Home(tmp_path, _plan(PrivacyTerms(epsilon=4.0)))
    home.contribution().update(1, START)
    shutil.rmtree(home.path)
    home.path.mkdir()
    home.contribution().update(2, START)
    assert len(home.ledger().spends()) == 2
