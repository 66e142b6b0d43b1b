"""Is joining worth it: each platform's gain over what it could do alone, in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from simulations.reporting.wording import change, interval_words, metric_label, system_label
from simulations.results import Metric, PlatformResults, Results, UpliftInterval

JOINING: Final = "fusion_vs_local"
"""The comparison that answers the question."""

MACRO_MEAN: Final = "macro mean"

_COMPARED: Final = {
    "federated_dp_vs_local": ("federated_dp_lstm", "local_lstm"),
    "federated_vs_local": ("federated_lstm", "local_lstm"),
}
"""Comparisons whose names do not name the systems in full."""

Outcome = Literal["gain", "loss", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplift:
    """One comparison on one platform.

    Attributes
    ----------
    platform, comparison, metric
        What was compared where.
    interval
        Difference in points of the metric.
    base
        Value of the system compared with; none where the results do not hold it.
    """

    platform: str
    comparison: str
    metric: Metric
    interval: UpliftInterval
    base: float | None

    @property
    def outcome(self) -> Outcome:
        """A gain or loss only where the whole interval is on one side of zero."""
        if self.interval.low > 0:
            return "gain"
        return "loss" if self.interval.high < 0 else "unclear"

    @property
    def unchanged(self) -> bool:
        """Whether no user's list differs: the fusion gave the federation's parts no weight."""
        return self.interval.low == self.interval.mean == self.interval.high == 0

    @property
    def relative(self) -> bool:
        """Whether the difference can be told in percent of `base`."""
        return bool(self.base)

    @property
    def shown(self) -> UpliftInterval:
        """The interval as it is told: relative to `base` where there is one."""
        base, found = self.base or 1.0, self.interval
        return UpliftInterval(mean=found.mean / base, low=found.low / base, high=found.high / base)

    @property
    def change(self) -> str:
        """The mean as it is told."""
        return change(self.shown.mean, relative=self.relative)

    @property
    def interval_words(self) -> str:
        """The interval as it is told."""
        return interval_words(self.shown, relative=self.relative)

    def sentence(self) -> str:
        """What the comparison says, for `JOINING`."""
        if self.unchanged:
            return (
                "joining changes nothing: what the federation adds has no weight in the fusion, "
                "since it did not help on validation items"
            )
        metric = metric_label(self.metric)
        figures = f"{self.change} {metric} ({self.interval_words})"
        if self.outcome == "unclear":
            return (
                "no significant difference between fusion with the federation and the fusion it "
                f"could make alone: {figures}"
            )
        verb = "beats" if self.outcome == "gain" else "falls behind"
        return f"fusion with the federation {verb} the fusion it could make alone by {figures}"


def uplifts(
    results: Results, comparison: str = JOINING, metric: Metric = "ndcg@10"
) -> list[Uplift]:
    """One comparison on every platform that has it, in the order of the results."""
    return [
        Uplift(
            platform=name,
            comparison=comparison,
            metric=metric,
            interval=platform.uplift[comparison][metric],
            base=_base(platform, comparison, metric),
        )
        for name, platform in results.platforms.items()
        if metric in platform.uplift.get(comparison, {})
    ]


def pooled_uplifts(results: Results, comparison: str = JOINING) -> list[Uplift]:
    """NDCG@10 of one comparison over all platforms: the macro mean, then groups of users."""
    metric: Metric = "ndcg@10"
    means = results.macro_uplift.get(comparison, {})
    bases = [_base(platform, comparison, metric) for platform in results.platforms.values()]
    known = [base for base in bases if base is not None]
    whole = sum(known) / len(bases) if bases and len(known) == len(bases) else None
    found = [(MACRO_MEAN, means[metric], whole)] if metric in means else []
    groups = results.slice_uplift.get(comparison, {})
    found += [(f"all users, {group}", interval, None) for group, interval in groups.items()]
    return [
        Uplift(platform=name, comparison=comparison, metric=metric, interval=interval, base=base)
        for name, interval, base in found
    ]


def split_groups(pooled: list[Uplift]) -> tuple[list[Uplift], list[Uplift]]:
    """The macro mean, where there is one, apart from the groups of users."""
    mean = [uplift for uplift in pooled if uplift.platform == MACRO_MEAN]
    return mean, [uplift for uplift in pooled if uplift.platform != MACRO_MEAN]


def comparisons(results: Results) -> list[str]:
    """Names of all comparisons in the results, the one about joining first."""
    names = dict.fromkeys(name for p in results.platforms.values() for name in p.uplift)
    return sorted(names, key=lambda name: name != JOINING)


def comparison_label(comparison: str) -> str:
    """``fusion_vs_local`` → what it compares, in words."""
    if comparison == JOINING:
        return "fusion with the federation, against the fusion it could make alone"
    first, second = _systems(comparison)
    return f"{system_label(first)}, against {system_label(second)}"


def _base(platform: PlatformResults, comparison: str, metric: Metric) -> float | None:
    if comparison == JOINING:
        return platform.local_fusion.value(metric) if platform.local_fusion else None
    second = _systems(comparison)[1]
    found = [result for name, result in platform.systems.items() if name == second]
    return found[0].value(metric) if found else None


def _systems(comparison: str) -> tuple[str, str]:
    first, _, second = comparison.partition("_vs_")
    return _COMPARED.get(comparison, (first, second))
