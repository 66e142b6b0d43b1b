"""The served model gives what the bundle's fusion gives, and keeps both LSTMs' states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clients.advice import Adviser, Wish
from clients.bundle import Bundle
from clients.data.dataset import Histories
from clients.home import NodeHome
from clients.ranking.config import RankingConfig
from clients.recommenders.local_parts import FEDERATED_PARTS, RELEASED_PART
from clients.serving.config import ServingConfig
from clients.serving.model import ServedModel
from clients.text.writer import TextWriter
from tests.clients.released import released
from tests.clients.small_node import CONFIG, catalogue_of, node_training, quiet
from tests.clients.training.worlds import cyclic_platform, histories_of

LENGTH = CONFIG.model.history_length
USERS = histories_of([1, 2, 3], [4], [5, 9, 5, 6])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Every part has a weight."""
    training = node_training(NodeHome(tmp_path_factory.mktemp("node")), cyclic_platform(users=40))
    return weighed(training.bundle(quiet(), released()), 0.5)


def weighed(bundle: Bundle, federated: float) -> Bundle:
    weights = dict.fromkeys(bundle.manifest.fusion.weights, 0.7)
    weights |= dict.fromkeys(FEDERATED_PARTS, federated)
    fusion = bundle.manifest.fusion.model_copy(update={"weights": weights})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"fusion": fusion}))


def scored(model: ServedModel, histories: Histories) -> np.ndarray:
    return np.stack([one.candidates().scores for one in model.score(histories)])


def test_served_scores_are_those_of_the_bundles_fusion(bundle: Bundle) -> None:
    served = ServedModel(bundle, ServingConfig())
    expected = bundle.fusion().scores(USERS)
    np.testing.assert_allclose(scored(served, USERS), expected, rtol=1e-4, atol=1e-3)
    found = served.score(USERS)[0].summands
    assert set(FEDERATED_PARTS) < set(found)


def test_an_event_advances_the_states_of_all_models(bundle: Bundle) -> None:
    served, whole = ServedModel(bundle, ServingConfig()), histories_of([3, 4, 5, 6, 7])
    served.score(whole.without_last(2))
    for short in (whole.without_last(1), whole):
        served.advance(short)
    assert [states._states["u0"][0] for states in served.states] == [5, 5, 5]
    anew = ServedModel(bundle, ServingConfig())
    np.testing.assert_allclose(scored(served, whole), scored(anew, whole), rtol=1e-4, atol=1e-4)


def test_a_forgotten_user_has_no_state_in_any_model(bundle: Bundle) -> None:
    served = ServedModel(bundle, ServingConfig())
    served.score(USERS)
    assert served.users_kept == 3
    served.forget("u1")
    assert [len(states) for states in served.states] == [2, 2, 2]


def test_a_part_without_a_weight_is_not_scored_and_keeps_no_states(bundle: Bundle) -> None:
    served = ServedModel(weighed(bundle, 0.0), ServingConfig())
    assert len(served.states) == 2  # the own model's and the untrained one's
    found = served.score(USERS)[0]
    assert not set(FEDERATED_PARTS) & set(found.summands)


def test_reasons_of_both_models_add_up_to_the_score(bundle: Bundle) -> None:
    served, catalogue = ServedModel(bundle, ServingConfig()), catalogue_of()
    everybody = cyclic_platform(users=40)
    adviser = Adviser(catalogue, everybody, served.vectors, RankingConfig(), TextWriter(None))
    history = USERS.take([0])
    situation = adviser.situation(history, 1e9)
    advice = adviser.advise(served.score(history)[0], history, situation, 5, Wish(explain=True))
    totals = [place.total for place in advice.answer.ranked.items]
    assert [one.total for one in advice.explanations] == pytest.approx(totals, abs=5e-3)
    assert any(reason.parts[RELEASED_PART] for reason in advice.explanations[0].reasons)
