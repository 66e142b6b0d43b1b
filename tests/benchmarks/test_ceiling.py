"""Pooled histories keep what each platform carries, and rare transitions can be left out."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.cases import small
from benchmarks.quality.ceiling import crossfitted, exact_counts
from benchmarks.quality.pooled import (
    customers_of_transitions,
    everybodys,
    transitions_of_several,
)
from shared.models.encoders import load_encoder
from simulations.baselines import fusion_parts
from simulations.platforms import LabPlatform, platforms_of
from simulations.recipe import load_recipe


@pytest.fixture(scope="module")
def platforms() -> list[LabPlatform]:
    case = next(small())
    recipe = load_recipe(case.recipe, case.sets)
    return platforms_of(recipe, None, 0, load_encoder(recipe.encoder), lambda *_: None)


def test_everybodys_purchases_are_those_of_articles_carried_here(
    platforms: list[LabPlatform],
) -> None:
    mine = platforms[0]
    pool = everybodys(platforms, mine)
    assert len(pool) == sum(len(p.split.training) for p in platforms)
    for number, user in enumerate(mine.split.training.users):
        at = pool.users.index(f"{mine.name}/{user}")
        np.testing.assert_array_equal(pool.items_of(at), mine.split.training.items_of(number))
    ids = set(mine.catalogue.item_ids)
    carried = [
        platform.catalogue.item_ids[item] in ids
        for platform in platforms
        for item in platform.split.training.items
    ]
    assert len(pool.items) == sum(carried)


def test_transitions_of_one_customer_are_left_out_and_others_keep_their_shares(
    platforms: list[LabPlatform],
) -> None:
    mine = platforms[0]
    pool = everybodys(platforms, mine)
    histories = mine.split.validation.contexts
    everything = transitions_of_several(pool, mine.catalogue, 1).scores(histories)
    several = transitions_of_several(pool, mine.catalogue, 2).scores(histories)
    assert (several <= everything).all()
    assert (several < everything).any()
    none = transitions_of_several(pool, mine.catalogue, len(pool) + 1).scores(histories)
    assert (none <= several).all()


def test_customers_are_counted_once_a_transition(platforms: list[LabPlatform]) -> None:
    counts = customers_of_transitions(platforms)
    assert counts.min() == 1
    assert counts.max() <= sum(len(p.split.training) for p in platforms)


def test_each_user_is_ranked_under_weights_that_others_chose(
    platforms: list[LabPlatform],
) -> None:
    mine = platforms[0]
    parts = fusion_parts(mine, {})
    validation = mine.split.validation
    values = crossfitted({**parts, **exact_counts(platforms, mine)}, validation)
    assert values.shape == (len(validation),)
    assert 0 < values.mean() < 1
