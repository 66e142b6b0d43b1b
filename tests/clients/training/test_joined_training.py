"""What a release adds stands beside the node's own model and is served only if it is not worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.bundle import load_bundle
from clients.bundle_shelf import BundleShelf
from clients.data.dataset import Histories
from clients.evaluation.bootstrap import Interval
from clients.gate import GateDecision
from clients.home import NodeHome
from clients.recommenders.fusion import COLD_PART
from clients.recommenders.local_parts import (
    CONTENT_PART,
    FEDERATED_CONTENT_PART,
    FEDERATED_PARTS,
    MODEL_PART,
    RELEASED_PART,
    UNTRAINED_PART,
)
from clients.releases import ReleaseShelf
from clients.training import joined_training as module
from clients.training import node_training
from clients.training.joined_training import JoinedTraining, NoReleaseError, train_from_release
from tests.clients.released import CONTENT, ENCODER, learned, plan_of, put_release
from tests.clients.small_node import CONFIG, catalogue_of, identity_of, quiet
from tests.clients.training.worlds import cyclic_platform

SHORT = cyclic_platform(users=40, length=4)


def _train(
    home: NodeHome, histories: Histories | None = None, *, index_from: int = 10**6
) -> JoinedTraining:
    data = (catalogue_of(), cyclic_platform() if histories is None else histories)
    return train_from_release(
        home,
        *data,
        CONFIG,
        identity_of(home),
        lambda _choice: ENCODER,
        quiet(),
        index_from=index_from,
    )


def test_without_a_release_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(NoReleaseError):
        _train(NodeHome(tmp_path))


def test_the_bundle_holds_both_parts_of_the_release_beside_the_nodes_own_model(
    tmp_path: Path,
) -> None:
    home, plan = NodeHome(tmp_path), plan_of(content=True)
    model = put_release(home, plan)
    result = _train(home)
    assert result.decision.accepted
    assert result.decision.users == len(cyclic_platform())
    assert BundleShelf(home.models).current == result.path
    bundle = load_bundle(result.path, identity_of(home).public_key(), catalogue_of())
    assert bundle.manifest.start == plan.run_id
    assert {MODEL_PART, UNTRAINED_PART, *FEDERATED_PARTS} < set(bundle.manifest.fusion.weights)
    assert set(bundle.parts()) - {COLD_PART} == set(bundle.manifest.fusion.weights)
    assert bundle.released is not None
    assert bundle.content is not None
    np.testing.assert_array_equal(bundle.released.parameters, plan.split(model)[0])
    assert bundle.released.items.bias is None
    assert (bundle.content.config, bundle.content.draws) == (CONTENT, CONFIG.content.draws)


def test_the_own_content_model_is_trained_once_and_has_the_plans_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [], node_training.tune_content

    def counted(*arguments, **settings):  # type: ignore[no-untyped-def]
        calls.append(real(*arguments, **settings))
        return calls[-1]

    monkeypatch.setattr(node_training, "tune_content", counted)
    home, plan = NodeHome(tmp_path), plan_of(content=True)
    put_release(home, plan)
    bundle = _train(home).bundle
    assert len(calls) == 2  # the own one and the release's
    assert bundle.own_content is not None
    assert bundle.own_content.config == CONTENT
    np.testing.assert_array_equal(bundle.own_content.parameters, calls[0].parameters)


def test_a_release_without_a_content_model_adds_its_lstm_alone(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    put_release(home, plan_of())
    bundle = _train(home).bundle
    assert bundle.content is None
    assert RELEASED_PART in bundle.parts()
    assert FEDERATED_CONTENT_PART not in bundle.parts()
    assert CONTENT_PART in bundle.parts()  # the node's own


def test_a_release_that_helps_gets_weight_and_makes_the_fusion_better(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    put_release(home, plan_of(), learned())
    result = _train(home, SHORT)
    assert result.bundle.weights.weights[RELEASED_PART] > 0
    assert result.decision.accepted
    assert result.decision.new > result.decision.served + 0.1


def test_a_useless_release_gets_no_weight_and_changes_nothing(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    put_release(home, plan_of(content=True))
    result = _train(home)
    assert set(FEDERATED_PARTS) <= set(result.bundle.weights.unused)
    assert result.decision.new == result.decision.served


def test_the_nodes_own_model_is_trained_once_and_is_the_one_it_has_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [], node_training.personalise

    def counted(*arguments, **settings):  # type: ignore[no-untyped-def]
        calls.append(real(*arguments, **settings))
        return calls[-1]

    monkeypatch.setattr(node_training, "personalise", counted)
    home = NodeHome(tmp_path)
    put_release(home, plan_of())
    bundle = _train(home).bundle
    assert len(calls) == 1
    np.testing.assert_array_equal(bundle.personal.parameters, calls[0].parameters)


def test_in_a_large_catalogue_the_content_model_is_one_query(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    put_release(home, plan_of(content=True))
    bundle = _train(home, index_from=30).bundle
    assert bundle.content is not None
    assert bundle.content.draws == 0


def test_a_release_that_is_worse_is_out_and_the_node_serves_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = NodeHome(tmp_path)
    put_release(home, plan_of(content=True))

    def worse(*_arguments: object, **_settings: object) -> GateDecision:
        interval = Interval(mean=-0.1, low=-0.2, high=-0.05)
        return GateDecision(
            accepted=False, new=0.1, served=0.2, difference=interval, users=80, reason="refused"
        )

    monkeypatch.setattr(module, "gate", worse)
    result = _train(home)
    assert result.bundle.manifest.start == "initial"
    assert (result.bundle.released, result.bundle.content) == (None, None)
    assert ReleaseShelf(home).current() is None
    assert ReleaseShelf(home).all()[0].out == "gate: refused"
