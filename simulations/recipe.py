"""Recipes: one TOML file that says what a run does; unknown keys are refused."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from clients.data.dataset import Histories
from clients.evaluation.other_splits import time_split, user_fold
from clients.evaluation.split import LeaveOneOut, leave_one_out
from clients.training.config import ContentTuning, PersonalisationConfig
from shared.config import StrictModel, parse, read_toml
from shared.errors import LabError
from shared.models.config import BehaviourConfig
from shared.plan import Aggregation, ContentTerms, LocalSteps, PrivacyTerms
from shared.statistics import StatisticsTerms
from simulations.attacks.terms import AttackTerms
from simulations.datasets.generated import GeneratorSettings
from simulations.datasets.shops import ShopSplit
from simulations.results import SYSTEMS, SystemName

FusionModel = Literal["local", "released", "personal"]
"""The node's own LSTM, the federation's as it was released, and the same fine-tuned."""

SHIPPED = files("simulations") / "recipes"


class UnknownRecipeError(LabError):
    """There is neither a shipped recipe nor a file of this name."""

    code = "LAB-010"


class OverrideError(LabError):
    """A --set option that is not of the form key=value with a TOML value."""

    code = "LAB-011"
    default_remedy = "for example --set federation.rounds=5 or --set 'data.platforms=[\"beauty\"]'"


class NoQuickSettingsError(LabError):
    """`--quick` with a recipe that says nothing of it: the whole run would begin."""

    code = "LAB-014"
    default_remedy = "give the recipe a section [quick], or leave --quick out and use --set"


class DataRecipe(StrictModel):
    """Which platforms take part."""

    source: Literal["movielens", "folder", "generated"]
    """MovieLens-100K from the RecBole wheel, a folder in the data contract's format, or planted."""
    path: str = ""
    """Folder, for source = "folder"; --data overrides it."""
    platforms: tuple[str, ...] = ()
    """Names of the platforms to use; empty = all."""
    keep_users: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    """Share of a platform's users that is kept, by platform name: a small partner."""
    split: ShopSplit | None = None
    """Cuts every chosen platform into shops of one trade; None leaves platforms whole."""
    features: str = ""
    """Parquet file of feature columns, `item_id` and a list column for each modality; which of
    them are used, `model.modalities` says."""
    generated: GeneratorSettings = GeneratorSettings()
    """For source = "generated"."""


class FederationRecipe(StrictModel):
    """The federated runs."""

    rounds: Annotated[int, Field(ge=1)] = 10
    """Rounds of the private run."""
    unprotected_rounds: Annotated[int, Field(ge=1)] = 5
    """Rounds of the run without privacy."""
    local: LocalSteps = LocalSteps()
    """Local steps of the private run."""
    unprotected_local: LocalSteps = LocalSteps()
    """Local steps of the run without privacy."""
    aggregation: Aggregation = Aggregation()
    """Aggregation of both."""
    privacy: PrivacyTerms = PrivacyTerms(epsilon=8.0)
    """The guarantee of the private run."""
    statistics: StatisticsTerms | None = None
    """Statistics of shared articles in the private run, inside the same epsilon; parts of the
    fusion. Articles are the same where their ids are."""


class ContentRecipe(StrictModel):
    """The content VAE-GAN beside the LSTM: in the plan of every federated run, tuned locally."""

    terms: ContentTerms = ContentTerms()
    """What the plan says of it."""
    tuning: ContentTuning = ContentTuning()
    """Local training, without noise: of the local system from the start, of the others after."""


class CentralisedRecipe(StrictModel):
    """The pooled upper bound."""

    steps: Annotated[int, Field(ge=1)] = 200
    """Optimiser steps."""
    batch_users: Annotated[int, Field(ge=1)] = 1024
    """Users in a step, of all platforms together."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    """Learning rate of Adam."""
    negatives: Annotated[int, Field(ge=1)] = 2048
    """Items against which a target is compared in larger catalogues."""


class EvaluationRecipe(StrictModel):
    """How systems are compared."""

    protocol: Literal["leave-one-out", "user-folds", "time"] = "leave-one-out"
    """What is tested: each user's last new item; that of users who were not trained on; the first
    new item after a moment that is the same for all (data with times only)."""
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    """For "user-folds": number of folds."""
    fold: Annotated[int, Field(ge=0)] = 0
    """For "user-folds": the fold that is tested, from 0 to one below `folds`."""
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    """Resamples of the paired bootstrap."""
    curve_users: Annotated[int, Field(ge=1)] = 1000
    """Users per platform, at most, on whom learning curves are measured."""
    test_users: Annotated[int, Field(ge=0)] = 0
    """Users per platform, at most, on whom systems are tested: drawn with the run's seed, the same
    for all systems; 0 = all. Ranking whole catalogues is most of the work on large platforms."""

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds}: folds are counted from 0")
        return self

    def split(self, histories: Histories, seed: int) -> LeaveOneOut:
        """Histories cut as `protocol` says.

        Raises
        ------
        clients.evaluation.errors.NoTimesError
        """
        found = self._whole_split(histories, seed)
        if not self.test_users:
            return found
        return replace(found, test=found.test.sample(self.test_users, seed))

    def _whole_split(self, histories: Histories, seed: int) -> LeaveOneOut:
        if self.protocol == "user-folds":
            return user_fold(histories, folds=self.folds, fold=self.fold, seed=seed)
        return time_split(histories) if self.protocol == "time" else leave_one_out(histories)


class Recipe(StrictModel):
    """A run of `isthmus-lab`."""

    title: str
    """One line for the list of recipes and the report."""
    data: DataRecipe
    """The platforms."""
    encoder: str = "use-multilingual"
    """Text encoder."""
    model: BehaviourConfig = BehaviourConfig()
    """Shape of the behaviour model."""
    personalisation: PersonalisationConfig = PersonalisationConfig()
    """Local training: of the local system from the start, of the others after federation."""
    centralised: CentralisedRecipe = CentralisedRecipe()
    """The centralised system."""
    federation: FederationRecipe = FederationRecipe()
    """The federated systems."""
    content: ContentRecipe | None = None
    """The content model, whose systems run only with this section. It shares the epsilon of the
    private run; plans with shared noise cannot have it."""
    evaluation: EvaluationRecipe = EvaluationRecipe()
    """The comparison."""
    fusion_models: tuple[FusionModel, ...] = ("local", "released")
    """Learned models in the fusion. With the local one, everything that a node has alone is in it,
    so that weights decide what the federation adds."""
    systems: tuple[SystemName, ...] = SYSTEMS
    """Systems to run, side by side."""
    attack: AttackTerms = AttackTerms()
    """What `isthmus-lab attack` does; no part of a run."""
    quick: dict[str, Any] = Field(default_factory=dict)
    """Settings, by dotted key, of `--quick`: the same question with less of everything."""


def shipped_recipes() -> dict[str, Recipe]:
    """Name → recipe of everything that comes with the package."""
    return {name: load_recipe(name) for name in _shipped_names()}


def load_recipe(name: str, overrides: Iterable[str] = (), *, quick: bool = False) -> Recipe:
    """The shipped recipe called `name`, or the TOML file at that path, with `overrides` applied.

    Parameters
    ----------
    quick
        Apply the recipe's own quick settings first.
    overrides
        ``key=value`` strings; keys are dotted, values TOML (a bare word is a string).

    Raises
    ------
    UnknownRecipeError, OverrideError, NoQuickSettingsError, shared.errors.ConfigError
    """
    values = _values(name)
    if quick and not values.get("quick"):
        raise NoQuickSettingsError("there are no quick settings", where=f"recipe {name}")
    for key, value in (values.pop("quick") if quick else {}).items():
        _put(values, key, value)
    for override in overrides:
        _apply(values, override)
    return parse(Recipe, values, where=f"recipe {name}")


def _values(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix == ".toml":
        return read_toml(path)
    file = SHIPPED / f"{name}.toml"
    if not file.is_file():
        near = get_close_matches(name, _shipped_names(), n=1, cutoff=0.0)
        raise UnknownRecipeError(
            f"there is no recipe {name!r}",
            remedy=f"did you mean {near[0]!r}? `isthmus-lab recipes` lists them" if near else "",
        )
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _shipped_names() -> list[str]:
    names = (file.name for file in SHIPPED.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise OverrideError(f"--set {override!r}")
    _put(values, key.strip(), _toml_value(text.strip()), where=f"--set {override!r}")


def _put(values: dict[str, Any], key: str, value: Any, *, where: str = "quick") -> None:
    """Set the dotted `key` in nested tables."""
    *parents, last = key.split(".")
    table = values
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise OverrideError(f"{where}: {parent!r} is not a table")
    table[last] = value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum():
            return text
        raise OverrideError(f"value {text!r} is not TOML") from None
