"""What a run found: the typed content of ``results.json``, written whole, read strictly.

The schema is public. Later versions may add optional keys; a key is never renamed or given another
meaning without a new `SCHEMA` number.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, FiniteFloat, NonNegativeInt

from shared.config import Model, StrictModel, parse
from shared.errors import ConfigError, LabError, in_words
from shared.files import read_json, write_json

SCHEMA: Final = 1
RESULTS_FILE: Final = "results.json"

SystemName = Literal[
    "popularity",
    "transitions",
    "item_knn",
    "tfidf",
    "item_knn_tfidf",
    "local_lstm",
    "federated_lstm",
    "released_lstm",
    "released_dp_lstm",
    "federated_dp_lstm",
    "centralised_lstm",
    "local_vae_gan",
    "federated_vae_gan",
    "vae_gan",
    "fusion",
]
SYSTEMS: Final[tuple[SystemName, ...]] = get_args(SystemName)
"""Systems in the order of tables."""

Metric = Literal["hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr", "coverage@10", "ild@10"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Positive = Annotated[FiniteFloat, Field(ge=0)]


class UnreadableResultsError(LabError):
    """A run directory without a readable ``results.json``."""

    code = "LAB-020"
    default_remedy = "name the directory of a finished run, the one given with --out"


class OtherSchemaError(LabError):
    """Results written by a version with another schema."""

    code = "LAB-021"
    default_remedy = "run the recipe again with this version"


class InvalidResultsError(LabError):
    """Results with an unknown or missing key, or a value out of range."""

    code = "LAB-022"


class Metrics(StrictModel):
    """Means over a platform's evaluated users."""

    hr_10: Share = Field(alias="hr@10")
    ndcg_10: Share = Field(alias="ndcg@10")
    hr_20: Share = Field(alias="hr@20")
    ndcg_20: Share = Field(alias="ndcg@20")
    mrr: Share
    coverage_10: Share = Field(alias="coverage@10")
    ild_10: Annotated[FiniteFloat, Field(ge=0, le=2)] = Field(alias="ild@10")

    def value(self, metric: Metric) -> float:
        """One of them by its name in the file."""
        return float(getattr(self, metric.replace("@", "_")))


class StandardErrors(StrictModel):
    """Standard errors of the means over users; coverage has none."""

    hr_10: Positive = Field(alias="hr@10")
    ndcg_10: Positive = Field(alias="ndcg@10")
    hr_20: Positive = Field(alias="hr@20")
    ndcg_20: Positive = Field(alias="ndcg@20")
    mrr: Positive
    ild_10: Positive = Field(alias="ild@10")

    def value(self, metric: Metric) -> float | None:
        """One of them by its name in the file; None where there is none."""
        found = getattr(self, metric.replace("@", "_"), None)
        return None if found is None else float(found)


class SystemResult(Metrics):
    """One system on one platform."""

    se: StandardErrors
    """Standard errors over users."""
    epsilon: Positive | None = None
    """Privacy spent by this platform for this system, where it is private."""


class WorstPlatform(StrictModel):
    """Where a system does worst."""

    platform: str
    ndcg_10: Share = Field(alias="ndcg@10")
    hr_10: Share = Field(alias="hr@10")


class MacroResult(Metrics):
    """One system over all platforms, each platform counted alike."""

    se: StandardErrors
    """Standard errors, the platforms taken as independent."""
    worst: WorstPlatform
    """The platform with the lowest NDCG@10."""


class UpliftInterval(StrictModel):
    """Mean difference of two systems over the same users, 95% paired bootstrap interval."""

    mean: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class CurvePoint(StrictModel):
    """Quality of a system after a round, on validation items."""

    round: NonNegativeInt
    ndcg_10: Share = Field(alias="ndcg@10")
    system: SystemName


class PrivacyPoint(StrictModel):
    """Privacy spent by a platform up to and including a round."""

    round: NonNegativeInt
    epsilon: Positive


class SliceResult(StrictModel):
    """One system on a group of users."""

    users: NonNegativeInt
    hr_10: Share = Field(alias="hr@10")
    ndcg_10: Share = Field(alias="ndcg@10")


class PlatformResults(StrictModel):
    """Everything about one platform."""

    users: NonNegativeInt
    """Users, evaluated or not."""
    items: NonNegativeInt
    interactions: NonNegativeInt
    epsilon: Positive | None = None
    """Privacy spent for everything this platform ever sent; None where nothing private ran."""
    epsilon_trusts: NonNegativeInt = 0
    """Platforms that `epsilon` trusts to have added their part of shared noise; 0 trusts nobody."""
    epsilon_alone: Positive | None = None
    """Epsilon without that trust, of the platform's own part; None where noise was not shared, or
    where the platform's own part bounds nothing."""
    delta: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = None
    situation: str = ""
    """Which scenario the federation looks like to this platform's node."""
    systems: dict[SystemName, SystemResult]
    uplift: dict[str, dict[Metric, UpliftInterval]] = Field(default_factory=dict)
    """Comparison (``"fusion_vs_local"``) → metric → interval."""
    local_fusion: SystemResult | None = None
    """The fusion that this platform could make alone; what ``fusion_vs_local`` compares with."""
    fusion_weights: dict[str, Positive] = Field(default_factory=dict)
    """Part of the fusion → its weight."""
    fusion_cold_weights: dict[str, float] = Field(default_factory=dict)
    """The same on cold items, and their offset; empty where they are weighed like all others."""
    notes: list[str] = Field(default_factory=list)
    """What its node says of its models: health of the content model, parts that do not help."""
    curves: list[CurvePoint] = Field(default_factory=list)
    privacy: list[PrivacyPoint] = Field(default_factory=list)
    slices: dict[str, dict[SystemName, SliceResult]] = Field(default_factory=dict)
    """Group of users → system → its result there."""


class Results(StrictModel):
    """The content of ``results.json``."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    recipe: str
    seed: int
    git: str
    """Commit of the code, with ``-dirty`` where it was changed; empty outside a checkout."""
    platforms: dict[str, PlatformResults]
    macro: dict[SystemName, MacroResult]
    """Systems that ran on every platform."""
    macro_uplift: dict[str, dict[Metric, UpliftInterval]] = Field(default_factory=dict)
    """Comparison → metric → interval of the mean over platforms, each counted alike."""
    slice_uplift: dict[str, dict[str, UpliftInterval]] = Field(default_factory=dict)
    """Comparison → group of users, those of all platforms pooled → interval of NDCG@10."""
    timings: dict[str, Positive] = Field(default_factory=dict)
    """Stage → wall seconds."""
    bytes: dict[str, NonNegativeInt] = Field(default_factory=dict)
    """Direction or message → bytes."""


def macro(platforms: Mapping[str, PlatformResults]) -> dict[SystemName, MacroResult]:
    """Mean over the platforms of every system that ran on all of them."""
    shared = [s for s in SYSTEMS if all(s in p.systems for p in platforms.values())]
    return {s: _macro_of({n: p.systems[s] for n, p in platforms.items()}) for s in shared}


def write_results(results: Results, run_dir: Path) -> Path:
    """Write ``results.json`` into `run_dir`, whole or not at all; returns its path."""
    path = run_dir / RESULTS_FILE
    write_json(path, results.model_dump(mode="json", by_alias=True, exclude_none=True))
    return path


def read_results(run_dir: Path) -> Results:
    """Read the ``results.json`` of a finished run.

    Raises
    ------
    UnreadableResultsError
        There is none, or it is not JSON.
    OtherSchemaError
        It was written by a version with another schema.
    InvalidResultsError
        A key is unknown or missing, or a value out of range.
    """
    return read_schema(Results, run_dir / RESULTS_FILE, SCHEMA)


def read_schema(model: type[Model], path: Path, schema: int) -> Model:
    """Read the JSON file of `model` at `path`, which must say that it has this `schema`.

    Raises
    ------
    UnreadableResultsError, OtherSchemaError, InvalidResultsError
        As for `read_results`.
    """
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise UnreadableResultsError(in_words(error, "is no JSON"), where=str(path)) from error
    if not isinstance(values, dict) or values.get("schema") != schema:
        found = values.get("schema") if isinstance(values, dict) else type(values).__name__
        raise OtherSchemaError(f"schema {found!r}, expected {schema}", where=str(path))
    try:
        return parse(model, values, where=str(path))
    except ConfigError as error:
        raise InvalidResultsError(error.problem, where=str(path), remedy=error.remedy) from error


def _macro_of(systems: Mapping[str, SystemResult]) -> MacroResult:
    count = len(systems)
    values: dict[str, object] = {
        metric: sum(s.value(metric) for s in systems.values()) / count for metric in METRICS
    }
    errors = {metric: [s.se.value(metric) for s in systems.values()] for metric in METRICS}
    values["se"] = {
        metric: sqrt(sum(e * e for e in found if e is not None)) / count
        for metric, found in errors.items()
        if None not in found
    }
    name = min(systems, key=lambda platform: systems[platform].ndcg_10)
    worst = systems[name]
    values["worst"] = {"platform": name, "ndcg@10": worst.ndcg_10, "hr@10": worst.hr_10}
    return MacroResult.model_validate(values)
