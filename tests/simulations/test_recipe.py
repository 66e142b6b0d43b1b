"""Recipes: shipped ones are valid, overrides apply, mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import InvalidValueError, UnknownKeyError, UnreadableConfigError
from simulations.datasets.generated import GeneratorSettings, load_generated
from simulations.recipe import (
    NoQuickSettingsError,
    OverrideError,
    UnknownRecipeError,
    load_recipe,
    shipped_recipes,
)


def test_the_promised_recipes_are_shipped_and_valid() -> None:
    promised = {"quickstart", "amazon", "small-partner", "cross-vertical"}
    promised |= {"same-vertical", "giant-and-small", "new-shop"}
    assert promised <= set(shipped_recipes())


def test_overrides_come_after_the_quick_setting() -> None:
    recipe = load_recipe("same-vertical", ["federation.rounds=5"], quick=True)
    assert recipe.federation.rounds == 5


def test_a_fold_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="folds are counted from 0"):
        load_recipe("quickstart", ["evaluation.folds=3", "evaluation.fold=3"])


def test_fewer_users_are_tested_and_all_trained_on() -> None:
    settings = GeneratorSettings(users=(80,), items=(100,))
    histories = load_generated(settings, seed=0).platforms[0].histories
    whole = load_recipe("quickstart").evaluation.split(histories, seed=3)
    some = load_recipe("quickstart", ["evaluation.test_users=20"]).evaluation.split(histories, 3)
    assert len(whole.test) > len(some.test) == 20
    assert set(some.test.contexts.users) < set(whole.test.contexts.users)
    assert len(some.training.items) == len(whole.training.items)
    assert len(some.validation) == len(whole.validation)


def test_overrides_reach_nested_keys_with_toml_values() -> None:
    recipe = load_recipe(
        "quickstart",
        ["federation.rounds=3", "encoder=hashed-words", 'data.platforms=["action", "drama"]'],
    )
    assert recipe.federation.rounds == 3
    assert recipe.encoder == "hashed-words"
    assert recipe.data.platforms == ("action", "drama")


def test_an_unknown_key_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownKeyError, match="did you mean 'rounds'"):
        load_recipe("quickstart", ["federation.round=3"])


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"federation\.rounds"):
        load_recipe("quickstart", ["federation.rounds=many"])


@pytest.mark.parametrize("override", ["rounds", "=3", "title.x=1", "title=[1,"])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(OverrideError):
        load_recipe("quickstart", [override])


def test_an_unknown_recipe_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownRecipeError, match="did you mean 'quickstart'"):
        load_recipe("quickstrat")


def test_a_recipe_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "mine"\n[data]\nsource = "movielens"\n', encoding="utf-8")
    assert load_recipe(str(path)).title == "mine"
    with pytest.raises(UnreadableConfigError):
        load_recipe(str(tmp_path / "other.toml"))


def test_quick_is_refused_where_a_recipe_says_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "mine"\n[data]\nsource = "movielens"\n', encoding="utf-8")
    with pytest.raises(NoQuickSettingsError, match=r"\[quick\]"):
        load_recipe(str(path), quick=True)
