"""Gradient inversion works where nothing protects, and not where masks or noise do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.models.behaviour_parameters import behaviour_schema
from shared.models.config import BehaviourConfig
from simulations.attacks.errors import TooFewToAttackError
from simulations.attacks.inversion import evidence
from simulations.attacks.inversion_trials import Case, measure_inversion
from simulations.attacks.results import InversionRow
from simulations.attacks.world import World


def _rows(shops: World, *, private: bool) -> dict[tuple[str, str], InversionRow]:
    rows = measure_inversion(shops, Case(batch_users=1, steps=1, private=private))
    return {(row.setting, row.view): row for row in rows}


def _often(world: World, trials: int) -> World:
    """The world with so many trials: masks are drawn anew, and a few of them may mislead."""
    often = world.recipe.attack.inversion.model_copy(update={"trials": trials})
    attack = world.recipe.attack.model_copy(update={"inversion": often})
    return replace(world, recipe=world.recipe.model_copy(update={"attack": attack}))


def test_a_plain_update_gives_the_user_away_and_a_masked_one_does_not(shops: World) -> None:
    rows = _rows(_often(shops, 40), private=False)
    assert rows["plain", "update"].recall.mean > 0.7
    assert rows["plain", "update"].auc.mean > 0.95
    masked = rows["secagg", "upload"]
    assert masked.auc.low < 0.5 < masked.auc.high or abs(masked.auc.mean - 0.5) < 0.1
    assert masked.recall.mean < 3 * masked.chance + 0.1


def test_masks_alone_do_not_hide_what_is_in_the_sum(shops: World) -> None:
    assert _rows(shops, private=False)["secagg", "opened"].auc.mean > 0.7


def test_noise_hides_the_user_masked_or_not(shops: World) -> None:
    rows = _rows(shops, private=True)
    assert set(rows) == {("dp", "update"), ("both", "upload"), ("both", "opened")}
    assert all(row.auc.mean < 0.75 for row in rows.values())


def test_an_item_in_the_row_space_of_the_adapters_gradient_stands_out() -> None:
    config = BehaviourConfig(item_dim=32, adapter_dim=32, input_dim=8, hidden_dim=8)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    schema = behaviour_schema(config)
    arrays = {name: np.zeros(shape, np.float32) for name, shape in schema.entries}
    arrays["adapter.weight"] = (random.normal(size=(8, 3)) @ vectors[:3]).astype(np.float32)
    strict = evidence(config, -schema.flatten(arrays), vectors)[:, 1]
    assert set(np.argsort(-strict)[:3]) == {0, 1, 2}


def test_items_without_a_text_are_scored_like_the_others() -> None:
    config = BehaviourConfig(item_dim=16, adapter_dim=8, input_dim=4, hidden_dim=4)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(10, 16)).astype(np.float32)
    vectors[4] = 0
    update = random.normal(size=behaviour_schema(config).size).astype(np.float32)
    assert np.isfinite(evidence(config, update, vectors)).all()


def test_a_batch_larger_than_the_platform_is_refused_by_name(shops: World) -> None:
    with pytest.raises(TooFewToAttackError, match="batches of 1000"):
        measure_inversion(shops, Case(batch_users=1000, steps=1, private=False))
