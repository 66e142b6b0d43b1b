"""Membership inference finds members where nothing protects, and refutes a claim that is false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clients.charge import Charge, charge_of
from shared.plan import Partner, TrainingPlan
from shared.privacy.accounting import Mechanism
from simulations.attacks import observing
from simulations.attacks.errors import TooFewToAttackError
from simulations.attacks.membership_trials import (
    MembershipTrials,
    Training,
    audited,
    canaries,
    largest_bound,
)
from simulations.attacks.results import MembershipRow
from simulations.attacks.world import World

CLAIM = 1.0


def _rows(shops: World, claim: float | None) -> dict[tuple[str, str], MembershipRow]:
    trials = MembershipTrials(shops, claim)
    count = shops.recipe.attack.membership.trainings
    rows = trials.rows([trials.run(number) for number in range(count)])
    return {(row.view, row.group): row for row in rows}


def _almost_silent(plan: TrainingPlan, partner: Partner) -> Charge | None:
    """The charge of a node that forgets its noise and still says that it costs as much."""
    charge = charge_of(plan, partner)
    assert charge is not None
    own = [m for m in charge.mechanisms if isinstance(m, Mechanism)]
    return replace(charge, mechanisms=tuple(replace(m, noise_multiplier=1e-3) for m in own))


def test_the_audit_refutes_the_claim_of_a_node_without_noise(
    shops: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "charge_of", _almost_silent)
    rows = _rows(shops, CLAIM)
    found = rows["update", "canaries"]
    assert found.claimed_epsilon == pytest.approx(CLAIM, abs=0.01)
    assert found.epsilon_bound > found.claimed_epsilon
    assert found.largest_bound >= found.epsilon_bound


def test_an_honest_node_is_not_refuted(shops: World) -> None:
    rows = _rows(shops, CLAIM)
    assert all(row.epsilon_bound <= CLAIM for row in rows.values())
    assert all(row.largest_bound > CLAIM for row in rows.values())


def test_members_are_found_in_plain_updates_and_sums_but_not_in_masked_uploads(
    shops: World,
) -> None:
    rows = _rows(shops, None)
    for group in ("users", "canaries"):
        assert rows["update", group].auc.mean > 0.75
        assert abs(rows["upload", group].auc.mean - 0.5) < 0.15
        assert rows["upload", group].epsilon_bound < 0.5
    assert rows["opened", "canaries"].auc.mean > 0.75
    assert rows["released", "canaries"].auc.mean > 0.7
    assert {row.claimed_epsilon for row in rows.values()} == {None}


def test_guesses_at_random_show_nothing_and_right_ones_all_that_can_be_shown() -> None:
    random = np.random.default_rng(0)
    coins = [random.random(100) < 0.5 for _ in range(20)]
    assert audited([(random.normal(size=100), c) for c in coins], 1e-5) < 0.3
    half = np.arange(100) < 50
    perfect = [(half.astype(float), half)] * 20
    assert audited(perfect, 1e-5) == largest_bound(2000, 1e-5) > 4


def test_a_training_is_kept_as_it_was() -> None:
    training = Training(coins=np.array([True, False]), scores={"update": np.array([0.1, -2.0])})
    again = Training.from_values(training.as_values())
    assert np.array_equal(again.coins, training.coins)
    assert np.array_equal(again.scores["update"], training.scores["update"])


def test_crafted_users_are_alone_with_their_kind_of_event(shops: World) -> None:
    crafted = canaries(5, 150, seed=0)
    assert len(crafted) == 5
    assert crafted.lengths.tolist() == [2] * 5
    real = shops.platforms[0].split.training
    assert not set(crafted.events.tolist()) & set(real.events.tolist())


def test_more_candidates_than_users_are_refused_by_name(shops: World) -> None:
    membership = shops.recipe.attack.membership.model_copy(update={"users": 5000})
    attack = shops.recipe.attack.model_copy(update={"membership": membership})
    recipe = shops.recipe.model_copy(update={"attack": attack})
    with pytest.raises(TooFewToAttackError, match="not 5000"):
        MembershipTrials(replace(shops, recipe=recipe), None)
