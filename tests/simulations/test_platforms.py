"""Which platforms and users of a data set a recipe's run has."""

from __future__ import annotations

from typing import Any

import pytest

from simulations.platforms import UnknownPlatformError, load_data
from simulations.recipe import DataRecipe

SIZES = {"users": [120, 90], "items": [60, 60], "events_per_user": 8.0}


def recipe(**changes: Any) -> DataRecipe:
    return DataRecipe.model_validate({"source": "generated", "generated": SIZES, **changes})


def test_a_platform_cut_to_a_tenth_keeps_its_catalogue_and_knows_who_is_elsewhere() -> None:
    whole = load_data(recipe(), None, 0)
    cut, other = whole.platforms
    thinned = load_data(recipe(keep_users={cut.name: 0.1}), None, 0)
    kept = thinned.platform(cut.name)
    assert len(kept.histories) == 12
    assert len(kept.catalogue) == len(cut.catalogue)
    assert len(thinned.platform(other.name).histories) == len(other.histories)
    assert thinned.elsewhere(kept) == whole.elsewhere(cut) & set(kept.histories.users)


def test_nobody_is_elsewhere_where_the_other_platforms_are_not_in_the_run() -> None:
    first = load_data(recipe(), None, 0).platforms[0]
    alone = load_data(recipe(platforms=[first.name]), None, 0)
    assert [p.name for p in alone.platforms] == [first.name]
    assert alone.elsewhere(alone.platforms[0]) == frozenset()


def test_a_name_that_the_data_do_not_have_is_refused() -> None:
    with pytest.raises(UnknownPlatformError, match="nowhere"):
        load_data(recipe(keep_users={"nowhere": 0.5}), None, 0)
