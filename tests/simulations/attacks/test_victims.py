"""A victim's lists: those that its node would serve, cold items weighed apart included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from clients.recommenders.fusion import COLD_PART, FusionWeights
from clients.recommenders.local_parts import RELEASED_PART
from simulations.attacks import victims
from simulations.attacks.victims import Lists
from simulations.attacks.world import World


def _learning(offset: float) -> Callable[..., FusionWeights]:
    """The release weighs on cold items alone."""
    warm, cold = {"tfidf": 1.0}, {"tfidf": 1.0, RELEASED_PART: 0.01, COLD_PART: offset}

    def learn(parts: Mapping[str, object], *_: Any, **__: Any) -> FusionWeights:
        weights = {name: warm.get(name, 0.0) for name in parts if name != COLD_PART}
        known = {name: weight for name, weight in cold.items() if name in parts}
        return FusionWeights(weights=weights, cold=known, ndcg=0.1, alone={}, users=1)

    return learn


def _lists(shops: World, monkeypatch: pytest.MonkeyPatch, offset: float) -> Lists:
    """Of a cold item at the first shop, whatever the gate says."""
    training, size = shops.platforms[0].split.training, len(shops.platforms[0].catalogue)
    cold = next(number for number in range(size) if number not in training.items)
    monkeypatch.setattr(victims, "learn_weights", _learning(offset))
    return victims.Victim(shops, 0, lambda *_: None).lists(shops.first_weights, cold)


def test_a_cold_item_is_served_where_its_own_weights_put_it(
    shops: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = _lists(shops, monkeypatch, 9.0).served.mean()
    assert ahead < _lists(shops, monkeypatch, -9.0).served.mean()


def test_a_release_that_weighs_on_cold_items_alone_has_a_weight(
    shops: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _lists(shops, monkeypatch, 0.0).weight == pytest.approx(0.01)
