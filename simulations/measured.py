"""Figures of systems, kept per user so that systems can be compared pairwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from clients.data.dataset import Float64s
from clients.evaluation.bootstrap import paired_difference
from clients.evaluation.ranking import PerUserResult, Scorer, evaluate
from clients.evaluation.slices import slices
from clients.evaluation.summary import per_user, summary
from shared.files import write_atomically
from simulations.platforms import LabPlatform
from simulations.results import Metric, SliceResult, SystemResult, UpliftInterval

COMPARED: tuple[Metric, ...] = ("ndcg@10", "hr@10")


class Measured:
    """Per-user results of one platform's systems, one file each.

    Parameters
    ----------
    platform
        The platform.
    directory
        Where results are kept; one that is there is not computed again.
    """

    def __init__(self, platform: LabPlatform, directory: Path) -> None:
        self._platform, self._directory = platform, directory

    def has(self, system: str) -> bool:
        """Whether `system` was measured."""
        return self._path(system).exists()

    def measure(self, system: str, scorer: Callable[[], Scorer]) -> None:
        """Rank the test items with `scorer`, unless that was done before."""
        if self.has(system):
            return
        test = self._platform.split.test
        result = evaluate(scorer(), test.contexts, test.targets)
        write_atomically(self._path(system), save({"ranks": result.ranks, "top": result.top}))

    def result(self, system: str) -> PerUserResult:
        """Per-user result of a measured system."""
        tensors = load_file(self._path(system))
        return PerUserResult(ranks=tensors["ranks"], top=tensors["top"])

    def figures(self, system: str, epsilon: float | None = None) -> SystemResult:
        """Means and standard errors of a measured system."""
        values = summary(self.result(system), self._platform.vectors.numpy())
        return SystemResult.model_validate({**values, "epsilon": epsilon})

    def uplift(
        self, system: str, baseline: str, samples: int, seed: int
    ) -> dict[Metric, UpliftInterval]:
        """Paired bootstrap intervals of `system` minus `baseline`."""
        first, second = per_user(self.result(system)), per_user(self.result(baseline))
        found = {
            metric: paired_difference(first[metric], second[metric], resamples=samples, seed=seed)
            for metric in COMPARED
        }
        return {m: UpliftInterval(mean=i.mean, low=i.low, high=i.high) for m, i in found.items()}

    def paired(
        self, system: str, baseline: str, metric: Metric, group: str | None = None
    ) -> tuple[Float64s, Float64s]:
        """(B,) a metric of `system` and of `baseline`, of all users or of one group."""
        first, second = per_user(self.result(system)), per_user(self.result(baseline))
        mask = self._groups()[group] if group else slice(None)
        return first[metric][mask], second[metric][mask]

    def slice_figures(self, system: str) -> dict[str, SliceResult]:
        """Figures of a measured system on each group of users."""
        values = per_user(self.result(system))
        return {
            name: SliceResult.model_validate(
                {
                    "users": int(mask.sum()),
                    "hr@10": _mean(values["hr@10"][mask]),
                    "ndcg@10": _mean(values["ndcg@10"][mask]),
                }
            )
            for name, mask in self._groups().items()
        }

    def groups(self) -> list[str]:
        """Names of the groups of users."""
        return list(self._groups())

    def _groups(self) -> dict[str, NDArray[np.bool_]]:
        platform = self._platform
        test = platform.split.test
        found = slices(test, platform.split.training, len(platform.catalogue))
        if platform.elsewhere:
            found["on several platforms"] = np.array(
                [user in platform.elsewhere for user in test.contexts.users], dtype=np.bool_
            )
        return found

    def _path(self, system: str) -> Path:
        return self._directory / f"{self._platform.name}.{system}.safetensors"


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(values.mean()) if len(values) else 0.0
