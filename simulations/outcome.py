"""What a run has found so far, and how it becomes ``results.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np
import torch

from clients.data.report import ValidationReport
from clients.data.report_views import as_html
from clients.evaluation.bootstrap import Interval, macro_difference, paired_difference
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import evaluate
from clients.recommenders.behaviour import BehaviourScorer
from clients.recommenders.fusion import FusionWeights
from clients.training.personalise import PersonalModel
from shared.files import write_json
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from simulations.federated import FederatedResult
from simulations.measured import COMPARED, Measured
from simulations.platforms import LabPlatform
from simulations.recipe import Recipe
from simulations.results import (
    SYSTEMS,
    CurvePoint,
    Metric,
    PlatformResults,
    PrivacyPoint,
    Results,
    SliceResult,
    SystemName,
    UpliftInterval,
    macro,
)
from simulations.revision import revision

LOCAL_FUSION: Final = "local_fusion"
PRIVATE: Final = "federated_dp_lstm"
COMPARISONS: Final = {
    "fusion_vs_local": ("fusion", LOCAL_FUSION),
    "federated_dp_vs_local": (PRIVATE, "local_lstm"),
    "federated_vs_local": ("federated_lstm", "local_lstm"),
    "released_dp_lstm_vs_local_lstm": ("released_dp_lstm", "local_lstm"),
    "fusion_vs_item_knn_tfidf": ("fusion", "item_knn_tfidf"),
}
"""Comparison → the system and what it is compared with."""
CURVE_POINTS: Final = 10
"""Rounds of a federated run whose model is measured for the learning curve."""
VALIDATION_FILE: Final = "validation.json"


class Outcome:
    """Collects a run's figures platform by platform."""

    def __init__(self, recipe: Recipe, name: str, seed: int) -> None:
        self._recipe, self._name, self._seed = recipe, name, seed
        self._platforms: dict[str, LabPlatform] = {}
        self.measured: dict[str, Measured] = {}
        self.weights: dict[tuple[str, str], FusionWeights] = {}
        self._federated: dict[SystemName, FederatedResult] = {}
        self._curves: dict[str, list[CurvePoint]] = {}
        self._notes: dict[str, list[str]] = {}

    def add_platform(self, platform: LabPlatform, measured: Measured) -> None:
        """Begin a platform."""
        self._platforms[platform.name] = platform
        self.measured[platform.name] = measured
        self._curves[platform.name], self._notes[platform.name] = [], []

    def add_federated(self, system: SystemName, result: FederatedResult) -> None:
        """Take in a federated run and measure the shared model after each of its rounds."""
        self._federated[system] = result
        for name, platform in self._platforms.items():
            for number, model in _some(result.curve):
                figure = self._validation_ndcg(platform, model)
                self._curves[name].append(_point(system, number, figure))

    def add_looks(self, system: SystemName, name: str, model: PersonalModel) -> None:
        """Take in a locally trained model's looks at validation."""
        for number, figure in enumerate(model.validation):
            self._curves[name].append(_point(system, number, figure))

    def add_notes(self, name: str, sentences: Iterable[str]) -> None:
        """Take in what a platform's node says of its models."""
        self._notes[name].extend(sentences)

    def collect(self, seconds: Mapping[str, float]) -> Results:
        """Everything, as it stands in ``results.json``."""
        platforms = {name: self._platform(name) for name in self._platforms}
        return Results.model_validate(
            {
                "schema": 1,
                "recipe": self._name,
                "seed": self._seed,
                "git": revision(),
                "platforms": platforms,
                "macro": macro(platforms),
                "macro_uplift": {c: self._macro_uplift(c) for c in self._comparisons()},
                "slice_uplift": {c: self._slice_uplift(c) for c in self._comparisons()},
                "timings": dict(seconds),
                "bytes": self._bytes(),
            }
        )

    def _platform(self, name: str) -> PlatformResults:
        platform, measured = self._platforms[name], self.measured[name]
        private = self._federated.get(PRIVATE)
        spent = private.epsilon[name] if private else []
        systems: list[SystemName] = [s for s in SYSTEMS if measured.has(s)]
        alone = measured.figures(LOCAL_FUSION) if measured.has(LOCAL_FUSION) else None
        learned = self.weights.get((name, "fusion"))
        return PlatformResults(
            users=len(platform.data.histories),
            items=len(platform.catalogue),
            interactions=len(platform.data.histories.items),
            epsilon=spent[-1] if spent else None,
            epsilon_trusts=private.trusts if private else 0,
            epsilon_alone=_finite(private.alone.get(name)) if private else None,
            delta=private.delta[name] if private else None,
            situation=private.situations.get(name, "") if private else "",
            systems={s: measured.figures(s, self._epsilon(s, spent)) for s in systems},
            uplift=self._uplifts(name),
            local_fusion=alone,
            fusion_weights=learned.weights if learned else {},
            fusion_cold_weights=learned.cold if learned else {},
            notes=self._notes[name],
            curves=self._curves[name],
            privacy=[PrivacyPoint(round=r, epsilon=e) for r, e in enumerate(spent, start=1)],
            slices=self._slices(name, systems),
        )

    def _epsilon(self, system: SystemName, spent: list[float]) -> float | None:
        """Epsilon of a system: of everything sent for it; None where nothing private was sent."""
        private = (PRIVATE, "released_dp_lstm", "vae_gan", "fusion")
        return spent[-1] if spent and system in private else None

    def _uplifts(self, name: str) -> dict[str, dict[Metric, UpliftInterval]]:
        measured, samples = self.measured[name], self._recipe.evaluation.bootstrap_samples
        return {
            title: measured.uplift(system, base, samples, self._seed)
            for title, (system, base) in COMPARISONS.items()
            if measured.has(system) and measured.has(base)
        }

    def _comparisons(self) -> list[str]:
        """Comparisons that every platform has."""
        return [
            title
            for title, pair in COMPARISONS.items()
            if all(one.has(system) for one in self.measured.values() for system in pair)
        ]

    def _macro_uplift(self, comparison: str) -> dict[Metric, UpliftInterval]:
        system, base = COMPARISONS[comparison]
        samples = self._recipe.evaluation.bootstrap_samples
        found: dict[Metric, UpliftInterval] = {}
        for metric in COMPARED:
            pairs = [one.paired(system, base, metric) for one in self.measured.values()]
            found[metric] = _interval(macro_difference(pairs, seed=self._seed, resamples=samples))
        return found

    def _slice_uplift(self, comparison: str) -> dict[str, UpliftInterval]:
        """By group of users, those of all platforms pooled: each user counts alike."""
        system, base = COMPARISONS[comparison]
        samples = self._recipe.evaluation.bootstrap_samples
        found: dict[str, UpliftInterval] = {}
        for group in dict.fromkeys(g for one in self.measured.values() for g in one.groups()):
            having = [one for one in self.measured.values() if group in one.groups()]
            pairs = [one.paired(system, base, "ndcg@10", group) for one in having]
            better, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
            interval = paired_difference(better, other, seed=self._seed, resamples=samples)
            found[group] = _interval(interval)
        return found

    def _slices(
        self, name: str, systems: list[SystemName]
    ) -> dict[str, dict[SystemName, SliceResult]]:
        found: dict[str, dict[SystemName, SliceResult]] = {}
        for system in systems:
            for group, figures in self.measured[name].slice_figures(system).items():
                found.setdefault(group, {})[system] = figures
        return found

    def _validation_ndcg(self, platform: LabPlatform, model: Float32s) -> float:
        fold = platform.split.validation
        count = min(len(fold), self._recipe.evaluation.curve_users)
        rows = np.random.default_rng(self._seed).choice(len(fold), count, replace=False)
        chosen = fold.take(np.sort(rows))
        with torch.no_grad():
            scorer = BehaviourScorer(
                self._recipe.model, model, ItemMatrix(vectors=platform.vectors)
            )
            ranks = evaluate(scorer, chosen.contexts, chosen.targets).ranks
        return float(ndcg(ranks, 10).mean()) if count else 0.0

    def _bytes(self) -> dict[str, int]:
        """Payload bytes of all nodes together, by system, direction and stage."""
        totals: dict[str, int] = {}
        for system, result in self._federated.items():
            for report in result.reports:
                for direction in ("up", "down"):
                    for stage, count in report[f"bytes_{direction}"].items():
                        for key in (f"{system}.{direction}", f"{system}.{direction}.{stage}"):
                            totals[key] = totals.get(key, 0) + int(count)
        return totals


def _interval(found: Interval) -> UpliftInterval:
    return UpliftInterval(mean=found.mean, low=found.low, high=found.high)


def _finite(value: float | None) -> float | None:
    """`value` where it bounds anything."""
    return value if value is not None and isfinite(value) else None


def _some(curve: Sequence[tuple[int, Float32s]]) -> list[tuple[int, Float32s]]:
    """At most about `CURVE_POINTS` rounds of a curve, first and last among them."""
    every = max(1, len(curve) // CURVE_POINTS)
    return [point for n, point in enumerate(curve) if n % every == 0 or n == len(curve) - 1]


def write_validation(reports: Mapping[str, ValidationReport], out: Path) -> None:
    """Keep the validation reports beside the results, for the page."""
    write_json(out / VALIDATION_FILE, {name: as_html(report) for name, report in reports.items()})


def _point(system: SystemName, number: int, figure: float) -> CurvePoint:
    return CurvePoint.model_validate({"round": number, "ndcg@10": figure, "system": system})
