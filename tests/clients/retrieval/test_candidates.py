"""Candidates beside the whole catalogue: nearly the same best items, exactly the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clients.advice import Adviser, Scores, Wish
from clients.bundle import Bundle, BundleManifest, FusionFacts
from clients.content_file import ContentPart
from clients.data.dataset import Catalogue, Histories
from clients.ranking.config import FreshnessConfig, RankingConfig
from clients.ranking.request import Filters
from clients.recommenders.cold_items import ColdItems
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import COLD_PART, Fusion, ItemWeights
from clients.recommenders.local_parts import (
    CONTENT_PART,
    FEDERATED_CONTENT_PART,
    LOCAL_PARTS,
    MODEL_PART,
    RELEASED_PART,
    UNTRAINED_PART,
    fit_local_parts,
    fusion_parts,
)
from clients.retrieval.candidates import SAMPLE, IndexedScoring
from clients.retrieval.errors import UnusableIndexError
from clients.retrieval.index import index_of
from clients.serving.config import ServingConfig
from clients.serving.model import ServedModel
from clients.serving.states import ServedBehaviour
from clients.text.writer import TextWriter
from clients.training.personalise import PersonalModel, untouched
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig, ContentConfig
from shared.models.content_parameters import initial_content
from shared.models.item_matrix import ItemMatrix

ITEMS, TOPICS, USERS, DIM = 6000, 60, 400, 32
MODEL = BehaviourConfig(item_dim=DIM, adapter_dim=8, input_dim=8, hidden_dim=8, history_length=20)
SERVING = ServingConfig(index_from=1, index_probes=16, candidates=600)
RANDOM = np.random.default_rng(11)


def catalogue() -> Catalogue:
    titles = [f"word{n % 97} word{n * 7 % 503} word{n % 4999}" for n in range(ITEMS)]
    return Catalogue(
        item_ids=tuple(f"i{n}" for n in range(ITEMS)),
        titles=tuple(titles),
        categories=tuple(f"topic {n % TOPICS}" for n in range(ITEMS)),
        descriptions=("",) * ITEMS,
    )


def users() -> Histories:
    """Everybody stays mostly with one topic and prefers what others prefer."""
    lengths = RANDOM.integers(3, 30, USERS)
    rows = []
    for user, length in enumerate(lengths):
        topic = np.where(RANDOM.random(length) < 0.8, user % TOPICS, RANDOM.integers(TOPICS))
        rank = (RANDOM.random(length) ** 3 * ITEMS / TOPICS).astype(int)
        rows.append((topic + TOPICS * rank) % ITEMS)
    items = np.concatenate(rows).astype(np.int32)
    return Histories(
        users=tuple(f"{n:032x}" for n in range(USERS)),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        items=items,
        events=np.zeros(len(items), dtype=np.int8),
        times=np.arange(len(items), dtype=np.float64),
    )


SHOP, HISTORIES = catalogue(), users()


def bundle() -> Bundle:
    centres = RANDOM.normal(size=(TOPICS, DIM))
    vectors = centres[np.arange(ITEMS) % TOPICS] + RANDOM.normal(size=(ITEMS, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = ItemMatrix(
        vectors=torch.tensor(vectors, dtype=torch.float32),
        bias=torch.tensor(RANDOM.normal(size=ITEMS), dtype=torch.float32),
    )
    names = [name for name in (*LOCAL_PARTS, MODEL_PART) if name != COLD_PART]
    manifest = BundleManifest(
        format=1,
        created="2030-01-01T00:00:00+00:00",
        start="initial",
        encoder="generated",
        encoder_fingerprint="0" * 64,
        catalogue="0" * 64,
        items=ITEMS,
        users=USERS,
        events=len(HISTORIES.items),
        model=MODEL,
        parts=tuple(LOCAL_PARTS),
        fusion=FusionFacts(
            weights=dict(zip(names, (0.4, 0.5, 1.0, 0.6, 0.8), strict=True)),
            cold={**dict(zip(names, (0.0, 0.0, 0.2, 1.1, 1.3), strict=True)), COLD_PART: 0.4},
            ndcg=0.0,
            alone=dict.fromkeys(names, 0.0),
            users=0,
        ),
    )
    personal = PersonalModel(
        config=MODEL,
        parameters=initial_parameters(MODEL, 3),
        items=items,
        validation=(),
        steps=0,
        popularity_scale=0.0,
    )
    local = fit_local_parts(HISTORIES, SHOP)
    return Bundle(manifest=manifest, personal=personal, local=local, index=index_of(items))


BUNDLE = bundle()
INDEXED = ServedModel(BUNDLE, SERVING)
EXACT = ServedModel(BUNDLE, SERVING.model_copy(update={"index_from": ITEMS + 1}))
ADVISER = Adviser(
    SHOP, HISTORIES, BUNDLE.personal.items.vectors.numpy(), RankingConfig(), TextWriter(None)
)


def both(user: int) -> tuple[Scores, Scores, Histories]:
    history = HISTORIES.take([user])
    return INDEXED.score(history)[0], EXACT.score(history)[0], history


def listed(scores: Scores, history: Histories, k: int, **filters: object) -> list[int]:
    situation = ADVISER.situation(history, 1e9, filters=Filters.model_validate(filters))
    advice = ADVISER.advise(scores, history, situation, k, Wish())
    return [place.item for place in advice.answer.ranked.items]


def test_a_small_catalogue_is_scored_exactly_whatever_the_bundle_holds() -> None:
    assert INDEXED.indexed is not None
    assert EXACT.indexed is None
    assert ServedModel(replace(BUNDLE, index=None), SERVING).indexed is None


def test_ninety_five_of_the_best_hundred_are_found() -> None:
    found = []
    for user in range(0, USERS, 5):
        few, whole, history = both(user)
        assert len(few.items) < ITEMS / 3
        best = set(listed(whole, history, 100))
        found.append(len(best & set(listed(few, history, 100))) / 100)
    assert np.mean(found) >= 0.95


def test_summands_are_those_of_the_catalogue_but_for_one_constant_a_user() -> None:
    for user in range(0, USERS, 40):
        few, whole, _ = both(user)
        for name, exact in whole.of(few.items).items():
            difference = few.summands[name] - exact
            np.testing.assert_allclose(difference, 0, atol=0.2 if name == MODEL_PART else 2e-4)
            np.testing.assert_allclose(
                _constant_apart(name, difference, few.items, BUNDLE.manifest.fusion), 0, atol=2e-4
            )


def _constant_apart(
    name: str, difference: np.ndarray, items: np.ndarray, facts: FusionFacts
) -> np.ndarray:
    """What summands differ by, but for one constant of a model's log-probabilities."""
    if name in LOCAL_PARTS:
        return difference
    cold = ColdItems().fit(HISTORIES, SHOP).mask[items]
    weights = np.where(cold, facts.cold[name], facts.weights[name])
    return np.asarray(difference - weights * (difference @ weights / (weights @ weights)))


class _Counting:
    """A behaviour model that notes how many items it is asked about."""

    def __init__(self, model: ServedBehaviour) -> None:
        self._model, self.asked = model, 0

    def scores(self, histories: Histories, /) -> np.ndarray:
        return self._model.scores(histories)

    def queries(self, histories: Histories, /) -> np.ndarray:
        return self._model.queries(histories)

    def logits_of(self, query: np.ndarray, items: np.ndarray, /) -> np.ndarray:
        self.asked += len(items)
        return self._model.logits_of(query, items)


def _scored(facts: FusionFacts, user: int) -> tuple[Scores, int]:
    """One user's candidates under some weights, and how many items the model was asked about."""
    counting = _Counting(ServedBehaviour(BUNDLE.personal, INDEXED.states[0]))
    models = {MODEL_PART: counting}
    fusion = Fusion(fusion_parts(BUNDLE.local, models), facts.weights, facts.cold)
    assert BUNDLE.index is not None
    behaviour = ServedBehaviour(BUNDLE.personal, INDEXED.states[0])
    indexed = IndexedScoring(fusion, behaviour, BUNDLE.index, SERVING)
    return indexed.score(HISTORIES.take([user]))[0], counting.asked


@pytest.mark.parametrize("user", range(0, USERS, 57))
def test_others_than_candidates_are_scored_only_where_cold_items_are_weighed_apart(
    user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = BUNDLE.manifest.fusion
    alike = facts.model_copy(update={"cold": {}})
    same = {**facts.cold, MODEL_PART: facts.weights[MODEL_PART]}
    some, asked = _scored(facts, user)
    assert len(some.items) < asked <= len(some.items) + SAMPLE
    for fewer in (alike, facts.model_copy(update={"cold": same})):
        found, asked = _scored(fewer, user)
        assert asked == len(found.items)
        with monkeypatch.context() as patched:
            patched.setattr(ItemWeights, "differ", True)
            sampled, _ = _scored(fewer, user)
        np.testing.assert_array_equal(found.items, sampled.items)
        history = HISTORIES.take([user])
        assert listed(found, history, 50) == listed(sampled, history, 50)
        for name, values in found.summands.items():
            if name == MODEL_PART:
                assert np.ptp(values - sampled.summands[name]) < 1e-5
            else:
                np.testing.assert_array_equal(values, sampled.summands[name])


def test_any_items_can_be_asked_for_in_any_order() -> None:
    few, _, _ = both(3)
    targets = np.array([few.items[5], 17, few.items[0], 4242])
    asked = few.of(targets)
    for name, values in few.summands.items():
        expected = [values[5], values[0]]
        np.testing.assert_allclose(asked[name][[0, 2]], expected, rtol=1e-5, atol=1e-5)
        assert np.isfinite(asked[name]).all()


@pytest.mark.parametrize("user", [1, 77, 201])
def test_a_filter_that_takes_the_candidates_gets_the_exact_list_of_what_is_left(user: int) -> None:
    few, whole, history = both(user)
    others = np.setdiff1d(np.arange(ITEMS), few.items)[::9]
    only = [SHOP.item_ids[n] for n in others]
    found = listed(few, history, 50, only=only)
    assert len(found) == 50
    assert found == listed(whole, history, 50, only=only)


def test_seen_items_stand_in_where_nothing_else_is_left() -> None:
    few, whole, history = both(9)
    seen = sorted({SHOP.item_ids[n] for n in history.items.tolist()})
    only = [*seen, "i5999", "i5998"]
    found = listed(few, history, 10, only=only)
    assert found == listed(whole, history, 10, only=only)
    assert len(found) == len(set(found)) == min(10, len(only))


def test_explanations_add_up_to_the_scores_of_the_list() -> None:
    few, _, history = both(12)
    advice = ADVISER.advise(few, history, ADVISER.situation(history, 1e9), 5, Wish(explain=True))
    totals = [place.total for place in advice.answer.ranked.items]
    assert [one.total for one in advice.explanations] == pytest.approx(totals, abs=2e-3)


def test_users_scored_together_are_scored_as_alone() -> None:
    together = INDEXED.score(HISTORIES.take([4, 5, 6]))
    for row, user in enumerate((4, 5, 6)):
        alone = both(user)[0]
        assert np.array_equal(together[row].items, alone.items)
        np.testing.assert_allclose(
            together[row].candidates().scores, alone.candidates().scores, atol=1e-4
        )


def with_a_release(draws: int = 0) -> Bundle:
    """The same with a released LSTM and content model that weigh much; the items have residuals."""
    noise = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(5))
    vectors = torch.nn.functional.normalize(BUNDLE.personal.items.vectors + 0.03 * noise, dim=1)
    shape = ContentConfig(item_dim=DIM, latent_dim=4, hidden_dim=8)
    weights = {**BUNDLE.manifest.fusion.weights, RELEASED_PART: 0.7, FEDERATED_CONTENT_PART: 0.5}
    cold = {**BUNDLE.manifest.fusion.cold, RELEASED_PART: 0.9, FEDERATED_CONTENT_PART: 0.2}
    fusion = BUNDLE.manifest.fusion.model_copy(update={"weights": weights, "cold": cold})
    return replace(
        BUNDLE,
        manifest=BUNDLE.manifest.model_copy(update={"fusion": fusion}),
        released=untouched(MODEL, initial_parameters(MODEL, 8), vectors),
        content=ContentPart(shape, initial_content(shape, 2), draws),
    )


def with_own_content() -> Bundle:
    """The same with the untrained LSTM and a content model of the node's own."""
    joined = with_a_release()
    weights = {**BUNDLE.manifest.fusion.weights, UNTRAINED_PART: 0.3, CONTENT_PART: 0.9}
    cold = {**BUNDLE.manifest.fusion.cold, UNTRAINED_PART: 0.6, CONTENT_PART: 0.5}
    fusion = BUNDLE.manifest.fusion.model_copy(update={"weights": weights, "cold": cold})
    manifest = BUNDLE.manifest.model_copy(update={"fusion": fusion})
    return replace(BUNDLE, manifest=manifest, untrained=joined.released, own_content=joined.content)


@pytest.mark.parametrize("joined", [with_a_release(), with_own_content()])
def test_further_models_are_scored_on_candidates_exactly(joined: Bundle) -> None:
    indexed = ServedModel(joined, SERVING)
    exact = ServedModel(joined, SERVING.model_copy(update={"index_from": ITEMS + 1}))
    found = []
    for user in range(0, USERS, 20):
        history = HISTORIES.take([user])
        few, whole = indexed.score(history)[0], exact.score(history)[0]
        for name, expected in whole.of(few.items).items():
            difference = few.summands[name] - expected
            np.testing.assert_allclose(
                _constant_apart(name, difference, few.items, joined.manifest.fusion), 0, atol=2e-4
            )
        best = set(listed(whole, history, 100))
        found.append(len(best & set(listed(few, history, 100))) / 100)
    assert np.mean(found) >= 0.95


def test_a_content_model_of_several_draws_is_no_query_and_refused_by_name() -> None:
    with pytest.raises(UnusableIndexError, match=FEDERATED_CONTENT_PART):
        ServedModel(with_a_release(draws=4), SERVING)


class _Opaque:
    """Scores the catalogue and nothing less."""

    def scores(self, histories: Histories, /) -> np.ndarray:
        return np.zeros((len(histories), ITEMS), dtype=np.float32)


def test_a_part_that_scores_only_whole_catalogues_is_refused_by_name() -> None:
    behaviour = ServedBehaviour(BUNDLE.personal, INDEXED.states[0])
    fusion = Fusion({"opaque": Part(_Opaque(), "shares")}, {"opaque": 1.0})
    assert BUNDLE.index is not None
    with pytest.raises(UnusableIndexError, match="opaque"):
        IndexedScoring(fusion, behaviour, BUNDLE.index, SERVING)


def test_a_new_item_of_which_nothing_speaks_is_lifted_into_the_list() -> None:
    few, whole, history = both(30)
    rest = np.setdiff1d(np.arange(ITEMS), few.items)
    newcomer = int(rest[np.argmax(whole.candidates().scores[rest])])
    came = ["0"] * ITEMS
    came[newcomer] = "1000000000"
    config = RankingConfig(freshness=FreshnessConfig(weight=20.0, attribute="came"))
    vectors = BUNDLE.personal.items.vectors.numpy()
    adviser = Adviser(SHOP, HISTORIES, vectors, config, TextWriter(None), {"came": came})
    situation = adviser.situation(history, 1e9)
    lists = [
        [p.item for p in adviser.advise(s, history, situation, 5, Wish()).answer.ranked.items]
        for s in (few, whole)
    ]
    assert newcomer in lists[0]
    assert lists[0] == lists[1]
