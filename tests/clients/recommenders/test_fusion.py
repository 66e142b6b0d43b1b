"""The fusion: useful parts weigh, useless ones do not, and it is never worse than one part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.data.dataset import Catalogue, Histories
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import pessimistic_ranks
from clients.evaluation.split import Fold
from clients.recommenders import weighing
from clients.recommenders.cold_items import ColdItems
from clients.recommenders.distributions import Part
from clients.recommenders.errors import NothingToFuseError
from clients.recommenders.fusion import COLD_PART, Fusion, FusionWeights, learn_weights

ITEMS = 40


class Table:
    """Gives user u the scores of row ``int(users[u])``."""

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores.astype(np.float32)

    def scores(self, histories: Histories, /) -> np.ndarray:
        return self._scores[[int(user) for user in histories.users]]


def _fold(users: int, seed: int) -> Fold:
    random = np.random.default_rng(seed)
    histories = Histories(
        users=tuple(str(u) for u in range(users)),
        offsets=np.arange(users + 1, dtype=np.int64),
        items=np.zeros(users, dtype=np.int32),
        events=np.zeros(users, dtype=np.int8),
        times=np.zeros(users),
    )
    return Fold(contexts=histories, targets=random.integers(1, ITEMS, users).astype(np.int32))


def _hint(fold: Fold, share: float, seed: int) -> Part:
    """Shares that point at the target for a `share` of the users, at random items for the rest."""
    random = np.random.default_rng(seed)
    scores = random.random((len(fold), ITEMS)) * 0.1
    pointed = np.where(
        random.random(len(fold)) < share, fold.targets, random.integers(1, ITEMS, len(fold))
    )
    scores[np.arange(len(fold)), pointed] += 2.0
    return Part(Table(scores), "shares")


def _noise(fold: Fold, seed: int) -> Part:
    return Part(Table(np.random.default_rng(seed).random((len(fold), ITEMS))), "shares")


def test_two_independent_hints_together_beat_each_alone() -> None:
    fold = _fold(400, 1)
    learned = learn_weights({"a": _hint(fold, 0.3, 2), "b": _hint(fold, 0.3, 3)}, fold)
    assert min(learned.weights.values()) > 0
    assert learned.ndcg > max(learned.alone.values()) + 0.05


def test_a_part_without_information_gets_no_weight_and_is_named() -> None:
    fold = _fold(400, 1)
    learned = learn_weights({"hint": _hint(fold, 0.5, 2), "noise": _noise(fold, 4)}, fold)
    assert learned.unused == ("noise",)


def test_a_part_that_repeats_another_gets_no_weight() -> None:
    fold = _fold(400, 1)
    hint = _hint(fold, 0.5, 2)
    learned = learn_weights({"first": hint, "again": hint}, fold)
    assert len(learned.unused) == 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.6))
def test_the_fusion_is_never_clearly_worse_than_its_best_part_on_validation(
    seed: int, share: float
) -> None:
    fold = _fold(60, seed)
    parts = {"a": _hint(fold, share, seed + 1), "b": _hint(fold, 0.2, seed + 2)}
    learned = learn_weights(parts, fold)
    largest_error = 0.5 / np.sqrt(len(fold))  # of a mean of values between 0 and 1
    assert learned.ndcg >= max(learned.alone.values()) - 4 * largest_error


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_part_is_served_alone_for_a_lead_that_is_no_luck(
    monkeypatch: pytest.MonkeyPatch, spread: float
) -> None:
    fold = _fold(60, 1)
    parts = {"a": _hint(fold, 0.5, 2), "b": _hint(fold, 0.4, 3)}
    luck = spread * np.resize([1.0, -1.0], len(fold))

    def slightly_worse(self: weighing.Weighing, _weights: object) -> object:
        best = self.alone[int(np.argmax(self.alone.mean(axis=1)))]
        return best - 0.05 + luck

    monkeypatch.setattr(weighing.Weighing, "ndcg", slightly_worse)
    assert len(learn_weights(parts, fold).used) == (1 if spread == 0 else 2)


def test_what_others_trained_is_taken_where_it_clearly_helps() -> None:
    fold = _fold(400, 0)
    parts = {"own": _hint(fold, 0.5, 1), "theirs": _hint(fold, 0.5, 2)}
    learned = learn_weights(parts, fold, joined={"theirs"})
    assert learned == learn_weights(parts, fold)
    assert learned.used == {"own", "theirs"}


def test_what_others_trained_is_refused_where_it_may_help_by_luck() -> None:
    fold = _fold(60, 0)
    parts = {"own": _hint(fold, 0.6, 1), "theirs": _hint(fold, 0.16, 2)}
    assert learn_weights(parts, fold).weights["theirs"] > 0  # Akaike's criterion would take it
    learned = learn_weights(parts, fold, joined={"theirs"})
    own = learn_weights({"own": parts["own"]}, fold)
    assert learned.weights == {"theirs": 0.0, **own.weights}
    assert (learned.ndcg, learned.cold, learned.users) == (own.ndcg, own.cold, own.users)
    assert learned.alone["theirs"] > 0  # still said


def test_where_everything_is_from_others_there_is_nothing_to_refuse_it_for() -> None:
    fold = _fold(60, 0)
    parts = {"theirs": _noise(fold, 1)}
    assert learn_weights(parts, fold, joined={"theirs"}).weights == {"theirs": 1.0}


def test_contributions_add_up_to_the_scores() -> None:
    fold = _fold(20, 1)
    parts = {"a": _hint(fold, 0.5, 2), "b": Part(Table(np.eye(20, ITEMS) * 5 - 2), "logits")}
    fusion = Fusion(parts, {"a": 0.7, "b": 1.3})
    total = sum(fusion.contributions(fold.contexts).values())
    np.testing.assert_allclose(fusion.scores(fold.contexts), total, rtol=1e-6)


def test_every_part_is_a_distribution_over_the_catalogue() -> None:
    fold = _fold(20, 1)
    logits = Part(Table(np.random.default_rng(0).normal(0, 30, (20, ITEMS))), "logits")
    empty = Part(Table(np.zeros((20, ITEMS))), "shares")
    for part in (logits, _hint(fold, 0.5, 2), empty):
        mass = np.exp(part.log_probabilities(fold.contexts).astype(np.float64)).sum(axis=1)
        np.testing.assert_allclose(mass, 1.0, rtol=1e-4)


def test_weights_from_some_candidates_are_those_from_the_whole_catalogue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fold = _fold(3000, 1)
    parts = {"a": _hint(fold, 0.4, 2), "b": _hint(fold, 0.2, 3), "noise": _noise(fold, 4)}
    whole = learn_weights(parts, fold)
    monkeypatch.setattr(weighing, "CANDIDATES", ITEMS // 2)
    some = learn_weights(parts, fold)
    assert some.unused == whole.unused == ("noise",)
    for name, weight in whole.weights.items():
        assert some.weights[name] == pytest.approx(weight, rel=0.1)
    assert some.alone == whole.alone  # always over the whole catalogue


def test_the_gradient_of_the_weights_is_that_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = _fold(50, 1)
    parts = {"a": _hint(fold, 0.4, 2), "b": _hint(fold, 0.2, 3)}
    monkeypatch.setattr(weighing, "CANDIDATES", ITEMS // 2)
    choices = weighing.Weighing(parts, None, fold, 0).choices
    point, step = np.array([0.7, 0.4]), 1e-2
    gradient = choices.under(point).slope
    for k, one in enumerate(np.eye(2)):
        ahead, behind = (choices.under(point + sign * step * one).surprise for sign in (1, -1))
        slope = (ahead.mean() - behind.mean()) / (2 * step)
        assert gradient[k] == pytest.approx(slope, rel=1e-2)


def test_nothing_to_fuse_is_refused() -> None:
    fold = _fold(5, 1)
    with pytest.raises(NothingToFuseError):
        learn_weights({}, fold)
    with pytest.raises(NothingToFuseError):
        learn_weights({"a": _noise(fold, 1)}, fold.take(np.array([], dtype=np.int64)))
    with pytest.raises(NothingToFuseError):
        Fusion({"a": _noise(fold, 1)}, {"a": 0.0})


COLD = np.arange(ITEMS) >= ITEMS // 2


def _cold_part() -> Part:
    met = Histories(
        users=("0",),
        offsets=np.array([0, ITEMS // 2], dtype=np.int64),
        items=np.flatnonzero(~COLD).astype(np.int32),
        events=np.zeros(ITEMS // 2, dtype=np.int8),
        times=np.zeros(ITEMS // 2),
    )
    names = ("",) * ITEMS
    shop = Catalogue(
        item_ids=tuple(str(i) for i in range(ITEMS)),
        titles=names,
        categories=names,
        descriptions=names,
    )
    return Part(ColdItems().fit(met, shop), "offset")


def _two_worlds(fold: Fold) -> dict[str, Part]:
    """Counts that know warm items alone, and a text that is right about cold ones."""
    counts = _hint(fold, 0.8, 2).scorer.scores(fold.contexts).copy()
    counts[:, COLD] = 0.0
    text = _hint(fold, 0.8, 3).scorer.scores(fold.contexts).copy()
    text[:, ~COLD] = np.random.default_rng(4).random((len(fold), ITEMS // 2)) * 2
    return {"counts": Part(Table(counts), "shares"), "text": Part(Table(text), "shares")}


def test_cold_items_are_weighed_apart_where_that_pays_users_not_looked_at() -> None:
    looked_at, others = _fold(800, 1), _fold(400, 2)
    learned = learn_weights({**_two_worlds(looked_at), COLD_PART: _cold_part()}, looked_at)
    together = learn_weights(_two_worlds(looked_at), looked_at)
    assert learned.cold["text"] > learned.weights["text"]
    assert not together.cold
    parts = {**_two_worlds(others), COLD_PART: _cold_part()}
    apart = _ndcg_of(parts, learned, others)
    assert apart > _ndcg_of(parts, together, others) + 0.05


def _ndcg_of(parts: dict[str, Part], learned: FusionWeights, fold: Fold) -> float:
    scores = Fusion(parts, learned.weights, learned.cold).scores(fold.contexts)
    scores[np.arange(len(fold)), fold.contexts.items] = -np.inf
    return float(ndcg(pessimistic_ranks(scores, fold.targets), 10).mean())


def test_a_part_that_says_the_same_of_all_cold_items_has_no_weight_on_them() -> None:
    fold = _fold(800, 1)
    learned = learn_weights({**_two_worlds(fold), COLD_PART: _cold_part()}, fold)
    assert learned.weights["counts"] > 0
    assert learned.cold["counts"] == 0
    assert set(learned.cold) == {"counts", "text", COLD_PART}


def test_cold_items_are_not_weighed_apart_where_it_makes_no_difference() -> None:
    fold = _fold(800, 1)
    parts = {"a": _hint(fold, 0.3, 2), "b": _hint(fold, 0.3, 3)}
    learned = learn_weights({**parts, COLD_PART: _cold_part()}, fold)
    assert learned.cold == {}
    assert learned.weights == learn_weights(parts, fold).weights


def test_nothing_is_told_apart_where_hardly_anybody_chose_a_cold_item() -> None:
    fold = _fold(800, 1)
    parts = {**_two_worlds(fold), COLD_PART: _cold_part()}
    warm, cold = np.flatnonzero(~COLD[fold.targets]), np.flatnonzero(COLD[fold.targets])
    assert learn_weights(parts, fold.take(np.concatenate([warm, cold[:19]]))).cold == {}
    assert learn_weights(parts, fold.take(np.concatenate([warm, cold[:60]]))).cold


def test_contributions_with_cold_items_apart_add_up_to_the_scores() -> None:
    fold = _fold(20, 1)
    parts = {"a": _hint(fold, 0.5, 2), COLD_PART: _cold_part()}
    fusion = Fusion(parts, {"a": 0.7}, {"a": 0.0, COLD_PART: -1.5})
    found = fusion.contributions(fold.contexts)
    assert not found["a"][:, COLD].any()
    assert (found[COLD_PART] == np.where(COLD, np.float32(-1.5), 0)).all()
    np.testing.assert_allclose(fusion.scores(fold.contexts), found["a"] + found[COLD_PART])


def test_the_gradient_with_cold_items_apart_is_that_of_the_loss() -> None:
    fold = _fold(50, 1)
    parts = {"a": _hint(fold, 0.4, 2), "b": _hint(fold, 0.2, 3)}
    choices = weighing.Weighing(parts, COLD, fold, 0).choices
    point, step = np.array([0.7, 0.4, 0.3, 0.9, -0.6]), 1e-2
    gradient = choices.under(point).slope
    for k, one in enumerate(np.eye(5)):
        ahead, behind = (choices.under(point + sign * step * one).surprise for sign in (1, -1))
        slope = (ahead.mean() - behind.mean()) / (2 * step)
        assert gradient[k] == pytest.approx(slope, rel=2e-2, abs=1e-4)


def test_an_offset_alone_is_nothing_to_fuse() -> None:
    with pytest.raises(NothingToFuseError):
        Fusion({COLD_PART: _cold_part()}, {}, {COLD_PART: 1.0})
