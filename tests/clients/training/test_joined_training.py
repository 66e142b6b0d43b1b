"""What a release adds stands beside the node's own model and is served only if it is not worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clients.articles import Hashes, OtherArticlesError, hashed_articles
from clients.bundle import load_bundle
from clients.bundle_shelf import BundleShelf
from clients.data.dataset import Histories
from clients.evaluation.bootstrap import Interval
from clients.gate import GateDecision
from clients.home import NodeHome
from clients.identity import public_bytes
from clients.recommenders.fusion import COLD_PART
from clients.recommenders.local_parts import (
    CONTENT_PART,
    FEDERATED_CONTENT_PART,
    FEDERATED_PARTS,
    MODEL_PART,
    POOLED_KNN,
    POOLED_PARTS,
    POOLED_POPULARITY,
    RELEASED_PART,
    UNTRAINED_PART,
)
from clients.released_statistics import ReleasedStatistics
from clients.releases import ReleaseShelf
from clients.training import joined_training as module
from clients.training import node_training
from clients.training.joined_training import JoinedTraining, NoReleaseError, train_from_release
from shared.plan import TrainingPlan
from shared.released_counts import Released, empty_counts, with_release
from shared.statistics import StatisticsTerms, articles_digest
from tests.clients.released import CONTENT, ENCODER, learned, plan_of, put_release
from tests.clients.released import released as released_models
from tests.clients.small_node import CONFIG, catalogue_of, identity_of, quiet
from tests.clients.small_node import node_training as node_training_of
from tests.clients.training.worlds import cyclic_platform

SHORT = cyclic_platform(users=40, length=4)
HASHES = hashed_articles(bytes(32), [f"gtin-{n}" for n in range(30)])
TERMS = StatisticsTerms(
    articles=articles_digest([row.tobytes() for row in HASHES[:20]]), article_count=20, frequent=20
)


def _train(
    home: NodeHome,
    histories: Histories | None = None,
    *,
    index_from: int = 10**6,
    hashes: Hashes | None = None,
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
        hashes=hashes,
    )


def _counted(plan: TrainingPlan) -> ReleasedStatistics:
    """Twenty of the platform's items are shared; their partners' users meet neighbours."""
    counts = empty_counts(plan)
    everybody = tuple(partner.id for partner in plan.partners)
    wanted = np.full(20, 50.0, dtype=np.float32)
    found = Released(vector=wanted, survivors=everybody)
    counts = with_release(plan, counts, "popularity", found)
    pairs = np.zeros((20, 20), dtype=np.float32)
    pairs[np.arange(19), np.arange(1, 20)] = 40.0
    vector = pairs[np.triu_indices(20, 1)]
    found = Released(vector=vector, survivors=everybody)
    counts = with_release(plan, counts, "pairs", found)
    articles = tuple(row.tobytes() for row in HASHES[:20])
    return ReleasedStatistics(plan=plan, counts=counts, articles=articles, hashes=HASHES)


def test_what_partners_counted_joins_the_fusion_and_comes_back_with_the_bundle(
    tmp_path: Path,
) -> None:
    home = NodeHome(tmp_path)
    plan = plan_of().model_copy(update={"statistics": TERMS})
    training = node_training_of(home, SHORT)
    released = replace(released_models(content=False), counts=_counted(plan))
    ours, theirs = training.bundle(quiet()), training.bundle(quiet(), released)
    assert set(theirs.local) - set(ours.local) == set(POOLED_PARTS)
    assert theirs.weights.weights[POOLED_KNN] > 0
    assert theirs.weights.ndcg > ours.weights.ndcg
    lists = training.on_hold_out(theirs).scores(SHORT.take([0, 1]))
    assert lists.shape == (2, 30)
    path = training.publish(theirs, identity_of(home))
    loaded = load_bundle(path, identity_of(home).public_key(), catalogue_of())
    np.testing.assert_array_equal(
        loaded.fusion().scores(SHORT.take([0, 1])), theirs.fusion().scores(SHORT.take([0, 1]))
    )
    assert set(training.on_hold_out(ours).contributions(SHORT.take([0]))).isdisjoint(POOLED_PARTS)


def test_statistics_say_nothing_to_a_node_that_lacks_the_list_the_ids_or_every_article() -> None:
    plan = plan_of().model_copy(update={"statistics": TERMS})
    known, vectors = _counted(plan), np.zeros((30, 4), dtype=np.float32)
    assert set(known.pooled(vectors)) == set(POOLED_PARTS)
    others = hashed_articles(bytes(32), [f"other-{n}" for n in range(30)])
    for lacking in ({"hashes": None}, {"articles": ()}, {"hashes": others}):
        assert replace(known, **lacking).pooled(vectors) == {}
    with pytest.raises(OtherArticlesError):
        replace(known, articles=known.articles[1:]).pooled(vectors)


def test_statistics_of_clusters_need_no_public_ids(tmp_path: Path) -> None:
    terms = StatisticsTerms(clusters=5, frequent=5)
    plan = plan_of().model_copy(update={"statistics": terms})
    everybody = tuple(partner.id for partner in plan.partners)
    found = Released(vector=np.full(5, 50.0, np.float32), survivors=everybody)
    counts = with_release(plan, empty_counts(plan), "popularity", found)
    own = ReleasedStatistics(plan=plan, counts=counts, articles=())
    released = replace(released_models(content=False), counts=own)
    bundle = node_training_of(NodeHome(tmp_path), SHORT).bundle(quiet(), released)
    assert set(bundle.local) & set(POOLED_PARTS) == {POOLED_POPULARITY}


@pytest.mark.parametrize(
    ("carried", "scenario", "reason"),
    [
        (HASHES, "same-vertical", "partners carry 67% of this catalogue"),
        (None, "one of a kind", "articles were not compared"),
    ],
)
def test_a_node_is_told_which_scenario_its_federation_looks_like(
    tmp_path: Path, carried: Hashes | None, scenario: str, reason: str
) -> None:
    home = NodeHome(tmp_path)
    plan = plan_of().model_copy(update={"statistics": TERMS})
    itself = plan.partners[0].model_copy(update={"identity": public_bytes(identity_of(home)).hex()})
    plan = plan.model_copy(update={"partners": (itself, *plan.partners[1:])})
    counted = _counted(plan)
    put_release(home, plan, None, counted.counts, counted.articles)
    found = _train(home, hashes=carried).situation
    assert found is not None
    assert found.scenario == scenario
    assert reason in found.reason


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
