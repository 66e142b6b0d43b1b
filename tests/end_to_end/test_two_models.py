"""Behaviour and content in one plan: one masked vector, one epsilon, one charge a round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.charge import charge_of
from clients.global_model import GlobalModel
from clients.local_round import LocalRound
from clients.training.local import Trainer
from shared.models.config import ContentConfig
from shared.optimiser import ServerState
from shared.plan import ContentTerms, LocalSteps, PrivacyTerms, TrainingPlan
from shared.privacy.accounting import epsilon
from tests.federation import MODEL, Federation, training_data
from tests.plans import make_plan

CONTENT = ContentTerms(
    model=ContentConfig(item_dim=MODEL.item_dim, latent_dim=3, hidden_dim=6),
    local=LocalSteps(steps=1, batch_users=16, learning_rate=0.02),
    relative_noise=1.5,
)


def _plan(privacy: PrivacyTerms | None = PrivacyTerms(epsilon=4.0)) -> TrainingPlan:
    local = LocalSteps(steps=2, batch_users=16)
    return make_plan(rounds=2, privacy=privacy, model=MODEL, local=local, content=CONTENT)


@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a process per message"])
def test_both_models_travel_in_one_vector_and_all_parties_agree(
    tmp_path: Path, fresh: bool
) -> None:
    federation = Federation(_plan(), tmp_path, fresh=fresh)
    final, start = federation.run(), ServerState.start(federation.plan)
    for before, after in zip(
        federation.plan.split(start.model), federation.plan.split(final.model), strict=True
    ):
        assert not np.array_equal(before, after)
    for node in federation.nodes.values():
        path = node.home.run(federation.plan.run_id) / "state.safetensors"
        np.testing.assert_array_equal(GlobalModel(federation.plan, path).state.flat(), final.flat())


def test_a_round_is_one_charge_with_a_mechanism_of_each_model_inside_one_epsilon(
    tmp_path: Path,
) -> None:
    federation = Federation(_plan(), tmp_path)
    federation.run()
    for node in federation.nodes.values():
        spends = node.ledger().spends()
        assert [s.release.model for s in spends] == ["behaviour+content"] * 2
        noises = [[m.noise_multiplier for m in s.mechanisms] for s in spends]
        assert all(content == pytest.approx(1.5 * own) for own, content in noises)
        assert 3.8 < node.ledger().spent() <= 4.0


def test_content_makes_the_behaviour_models_noise_larger_and_never_the_whole_dearer() -> None:
    plan = _plan()
    partner = plan.partners[0]
    both, alone = charge_of(plan, partner), charge_of(_behaviour_alone(plan), partner)
    assert both is not None
    assert alone is not None
    assert both.mechanisms[0].noise_multiplier > alone.mechanisms[0].noise_multiplier
    assert epsilon(both.mechanisms * plan.rounds, both.budget.delta) <= both.budget.epsilon


def _behaviour_alone(plan: TrainingPlan) -> TrainingPlan:
    return plan.model_copy(update={"content": None})


class _DeadError(BaseException):
    """The process is gone."""


def test_a_node_killed_between_the_two_trainings_is_charged_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = Federation(_plan(), tmp_path, fresh=True)
    train, calls = Trainer.run, 0

    def die_once(self: Trainer[Any], *args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:  # the content model's, after the behaviour model's
            spends = federation.nodes[1].ledger().spends()
            assert [len(s.mechanisms) for s in spends] == [2], "charged before anything is trained"
            raise _DeadError
        return train(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "run", die_once)
    with pytest.raises(_DeadError):
        federation.run()
    directory = federation.nodes[1].home.run(federation.plan.run_id)
    assert not list(directory.glob("update-*")), "half a round is not kept"
    federation.run()
    for node in federation.nodes.values():
        spends = node.ledger().spends()
        assert [s.release.round for s in spends] == [1, 2]
        assert all(s.update for s in spends)
        assert node.ledger().spent() <= 4.0


def test_both_optimisers_go_on_in_the_next_round() -> None:
    plan = _plan(privacy=None)
    training = LocalRound(plan, plan.partners[0], training_data(1), None)
    first = training.run(plan.initial_model(), {})
    steps = {name: t for name, t in first.items() if name.endswith(".step")}
    assert {float(t) for name, t in steps.items() if name.startswith("m.")} == {2.0}
    assert {float(t) for name, t in steps.items() if name.startswith("c.")} == {1.0}
    again = training.run(plan.initial_model(), first)
    assert float(again["c.0.step"]) == 2.0
