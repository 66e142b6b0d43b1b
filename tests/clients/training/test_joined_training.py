"""A release is served only if it is not worse than what the node can do alone, on its own users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from clients.approvals import Approvals
from clients.bundle import CorruptBundleError, load_bundle
from clients.bundle_shelf import BundleShelf
from clients.evaluation.bootstrap import Interval
from clients.gate import GateDecision
from clients.home import NodeHome
from clients.releases import ReleaseShelf
from clients.serving.config import ServingConfig
from clients.serving.model import ServedModel
from clients.training import joined_training as module
from clients.training.joined_training import JoinedTraining, NoReleaseError, train_from_release
from shared.files import write_json
from shared.models.config import ContentConfig, EncoderChoice
from shared.models.encoders import load_encoder
from shared.plan import ContentTerms, TrainingPlan
from shared.release_card import make_card
from tests.clients.small_node import CONFIG, catalogue_of, identity_of, quiet
from tests.clients.training.worlds import cyclic_platform
from tests.plans import make_plan

ENCODER = load_encoder("hashed-words")


def _plan(content: ContentTerms | None = None) -> TrainingPlan:
    choice = EncoderChoice(name=ENCODER.name, fingerprint=ENCODER.fingerprint)
    return make_plan(model=CONFIG.model, encoder=choice, content=content)


def _release(home: NodeHome, plan: TrainingPlan) -> None:
    """A release on the node's disk, as accepting its card leaves it."""
    model = plan.initial_model() + np.float32(0.01)
    approvals = Approvals(home.approvals)
    approvals.approve(approvals.keep(plan))
    card = make_card(
        plan, model, round_number=3, smallest_cohort=3, issued="2026-01-02T03:04:05+00:00"
    )
    folder = home.root / "releases"
    folder.mkdir(parents=True)
    (folder / f"{plan.run_id}.safetensors").write_bytes(save({"model": model}))
    (folder / f"{plan.run_id}.card.json").write_text(card.model_dump_json())
    write_json(folder / "states.json", {"format": 1, "releases": [[plan.run_id, ""]]})


def _train(home: NodeHome) -> JoinedTraining:
    data = (catalogue_of(), cyclic_platform())
    return train_from_release(
        home, *data, CONFIG, identity_of(home), lambda _choice: ENCODER, quiet()
    )


def test_without_a_release_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(NoReleaseError):
        _train(NodeHome(tmp_path))


def test_a_release_that_is_not_worse_is_where_the_served_model_began(tmp_path: Path) -> None:
    home, plan = NodeHome(tmp_path), _plan()
    _release(home, plan)
    result = _train(home)
    assert result.decision.accepted
    assert result.decision.users == len(cyclic_platform())
    assert result.bundle.manifest.start == plan.run_id
    assert BundleShelf(home.models).current == result.path


def test_the_release_s_content_model_is_in_the_bundle_and_generates_content(
    tmp_path: Path,
) -> None:
    shape = ContentConfig(item_dim=CONFIG.model.item_dim, latent_dim=4, hidden_dim=8)
    home, plan = NodeHome(tmp_path), _plan(ContentTerms(model=shape))
    _release(home, plan)
    result, key = _train(home), identity_of(home)
    bundle = load_bundle(result.path, key.public_key(), catalogue_of())
    assert bundle.content is not None
    assert bundle.content.config == shape
    expected = plan.split(plan.initial_model() + np.float32(0.01))[1]
    np.testing.assert_array_equal(bundle.content.parameters, expected)
    served, history = ServedModel(bundle, ServingConfig()), cyclic_platform().take([0])
    content = served.content(history)
    assert content is not None
    assert content.shape == (shape.item_dim,)
    assert served.content(history.without_last(99)) is None
    (result.path / "content.safetensors").write_bytes(b"damaged")
    with pytest.raises(CorruptBundleError, match="content"):
        load_bundle(result.path, key.public_key(), catalogue_of())


def test_a_release_that_is_worse_is_out_and_the_node_serves_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, plan = NodeHome(tmp_path), _plan()
    _release(home, plan)

    def worse(*_arguments: object, **_settings: object) -> GateDecision:
        interval = Interval(mean=-0.1, low=-0.2, high=-0.05)
        return GateDecision(
            accepted=False, new=0.1, served=0.2, difference=interval, users=80, reason="refused"
        )

    monkeypatch.setattr(module, "gate", worse)
    result = _train(home)
    assert result.bundle.manifest.start == "initial"
    assert ReleaseShelf(home).current() is None
    assert ReleaseShelf(home).all()[0].out == "gate: refused"
