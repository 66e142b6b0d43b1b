"""A node's own training: everything it needs is at the node, and it goes on where it stopped."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clients import personal_file
from clients.bundle import INDEX, OWN_CONTENT, Bundle, CorruptBundleError, load_bundle
from clients.bundle_shelf import BundleShelf
from clients.content_file import ContentPart
from clients.data.dataset import Histories
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import evaluate
from clients.evaluation.split import leave_one_out
from clients.home import NodeHome
from clients.recommenders.fusion import COLD_PART
from clients.recommenders.local_parts import CONTENT_PART, LOCAL_PARTS, MODEL_PART, UNTRAINED_PART
from clients.training import node_training as module
from clients.training.errors import NothingToLearnError
from clients.training.node_training import NodeTraining
from clients.training.personalise import PersonalModel
from shared.models.content_parameters import initial_content
from shared.models.encoders import load_encoder
from tests.clients.small_node import (
    CONFIG,
    ITEMS,
    KINDS,
    catalogue_of,
    identity_of,
    node_training,
    quiet,
    trained,
)
from tests.clients.training.worlds import cyclic_platform, histories_of


def test_a_training_publishes_a_bundle_that_loads(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    path, bundle = trained(home)
    assert BundleShelf(home.models).current == path
    loaded = load_bundle(path, identity_of(home).public_key(), catalogue_of())
    own = {MODEL_PART, UNTRAINED_PART, CONTENT_PART}
    assert set(loaded.manifest.fusion.weights) == {*LOCAL_PARTS, *own} - {COLD_PART}
    assert loaded.manifest.items == ITEMS
    assert loaded.manifest.start == "initial"
    assert bundle.fusion().scores(cyclic_platform(users=3)).shape == (3, ITEMS)


def test_a_large_catalogue_is_published_with_an_index(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    data = (catalogue_of(), cyclic_platform(), load_encoder("hashed-words"), CONFIG)
    training, key = NodeTraining(home, *data, index_from=ITEMS), identity_of(home)
    path, plain = training.run(key, quiet())
    loaded = load_bundle(path, key.public_key(), catalogue_of())
    assert plain.index is None
    assert loaded.index is not None
    assert len(loaded.index) == ITEMS
    assert loaded.own_content is not None
    assert loaded.own_content.draws == 0  # candidates are found by one query a user
    assert stat.S_IMODE((path / INDEX).stat().st_mode) == 0o600
    (path / INDEX).write_bytes(b"damaged")
    with pytest.raises(CorruptBundleError, match=INDEX):
        load_bundle(path, key.public_key(), catalogue_of())


def test_local_parts_are_fitted_on_everything_and_the_model_on_its_training_part(
    tmp_path: Path,
) -> None:
    histories = histories_of(*([[0, 1, 2, 3]] * 40))
    bundle = node_training(NodeHome(tmp_path), histories).run(
        identity_of(NodeHome(tmp_path)), quiet()
    )[1]
    counts = bundle.local["recent_popularity"].scores(histories.take([0]))[0]
    assert np.flatnonzero(counts).tolist() == [0, 1, 2, 3]  # the last is every user's test item
    assert bundle.weights.users == 40


def test_the_content_model_is_the_platforms_own_and_needs_no_release(tmp_path: Path) -> None:
    histories = cyclic_platform()
    bundle = node_training(NodeHome(tmp_path), histories).bundle(quiet())
    content = bundle.own_content
    assert content is not None
    assert content.config == CONFIG.content_shape
    assert content.draws == CONFIG.content.draws
    start = ContentPart(content.config, initial_content(content.config, CONFIG.seed))
    assert not np.array_equal(content.parameters, start.parameters)
    assert bundle.weights.alone[CONTENT_PART] > _validation_ndcg(start, bundle, histories)


def _validation_ndcg(content: ContentPart, bundle: Bundle, histories: Histories) -> float:
    assert bundle.untrained is not None
    fold = leave_one_out(histories).validation
    scorer = content.scorer(bundle.untrained.items.vectors)
    return float(ndcg(evaluate(scorer, fold.contexts, fold.targets).ranks, 10).mean())


def test_content_retrieves_items_that_nobody_touched(tmp_path: Path) -> None:
    """Of two items without an event, the one of the user's kind is the likelier one."""
    users = [[3 * (n + k) % 24 for k in range(5)] for n in range(40)]
    histories = histories_of(*users)
    bundle = node_training(NodeHome(tmp_path), histories).bundle(quiet())
    logs = bundle.parts()[CONTENT_PART].log_probabilities(histories.take([0]))[0]
    assert not {27, 28} & set(histories.items.tolist())
    assert KINDS[27 % 3] == KINDS[0]
    assert logs[27] > logs[28]


def test_a_node_that_wants_no_content_model_trains_none(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"own_content": False})
    home, encoder = NodeHome(tmp_path), load_encoder("hashed-words")
    training = NodeTraining(home, catalogue_of(), cyclic_platform(), encoder, config)
    path, bundle = training.run(identity_of(home), quiet())
    assert bundle.own_content is None
    assert CONTENT_PART not in bundle.parts()
    assert not (path / OWN_CONTENT).exists()


def test_an_interrupted_training_does_not_train_the_model_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = NodeHome(tmp_path)

    def interrupted(*_args: object, **_settings: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "learn_weights", interrupted)
        with pytest.raises(KeyboardInterrupt):
            node_training(home).run(identity_of(home), quiet())

    def untuned(*_args: object, **_settings: object) -> None:
        raise AssertionError("the content model of the first attempt is gone")

    def never(path: Path, config: object, train: Callable[[], PersonalModel]) -> PersonalModel:
        assert path.exists(), "the model of the first attempt is gone"
        return personal_file.kept(path, CONFIG.model, train)

    monkeypatch.setattr(module, "kept", never)
    monkeypatch.setattr(module, "tune_content", untuned)
    path, _ = node_training(home).run(identity_of(home), quiet())
    assert BundleShelf(home.models).current == path
    assert not home.local_training.exists()


def test_other_data_are_trained_anew(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    first, second = node_training(home), node_training(home, cyclic_platform(users=79))
    assert first._work != second._work
    assert first._work == node_training(home)._work


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingToLearnError):
        node_training(NodeHome(tmp_path), histories_of())


def test_the_hold_out_judges_local_parts_that_never_saw_its_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = node_training(NodeHome(tmp_path), histories_of(*([[0, 1, 2, 3]] * 40)))
    fitted: list[set[int]] = []
    real = module.fit_local_parts

    def looking(histories, catalogue):  # type: ignore[no-untyped-def]
        fitted.append(set(histories.items.tolist()))
        return real(histories, catalogue)

    monkeypatch.setattr(module, "fit_local_parts", looking)
    bundle = training.bundle(quiet())
    assert fitted == [{0, 1}, {0, 1, 2, 3}]
    assert set(training.hold_out().targets.tolist()) == {3}
    user = histories_of([0, 1, 2])
    assert training.on_hold_out(bundle).scores(user)[0, 3] < bundle.fusion().scores(user)[0, 3]
