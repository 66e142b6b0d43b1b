"""What joining is worth in a run: the fusion with the federation against the one without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import mean
from typing import Final

from simulations.results import (
    SYSTEMS,
    Metric,
    PlatformResults,
    Results,
    SystemResult,
    UpliftInterval,
)

NDCG: Final[Metric] = "ndcg@10"
JOINED: Final = "fusion_vs_local"
NEVER_SEEN: Final = "never seen target"
LOCAL: Final = "fusion without the federation"
BESIDE_A_GIANT: Final = ("giant-and-small", "new-shop")
"""Recipes that are about every platform but the largest."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A relative difference of NDCG@10 and its 95% interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, difference: UpliftInterval, base: float) -> Gain:
        """`difference` in shares of `base`."""
        return cls(difference.mean / base, difference.low / base, difference.high / base)


def asked(results: Results) -> list[PlatformResults]:
    """The platforms that a scenario is about: beside a giant, the small ones."""
    platforms = sorted(results.platforms.values(), key=lambda p: p.users)
    return platforms[:-1] if results.recipe in BESIDE_A_GIANT else platforms


def systems(platform: PlatformResults) -> dict[str, SystemResult]:
    """Every system of a platform in the order of tables, last the fusion that it makes alone."""
    ran = (name for name in SYSTEMS if name in platform.systems)
    found: dict[str, SystemResult] = {name: platform.systems[name] for name in ran}
    return found | ({LOCAL: platform.local_fusion} if platform.local_fusion else {})


def alone(platforms: Iterable[PlatformResults]) -> float:
    """Macro NDCG@10 of the fusions that platforms could make without the others."""
    return mean(p.local_fusion.ndcg_10 for p in platforms if p.local_fusion)


def gain(results: Results) -> Gain:
    """What joining adds to the macro NDCG@10 of the platforms that the scenario is about."""
    platforms = asked(results)
    if len(platforms) == len(results.platforms):
        return Gain.of(results.macro_uplift[JOINED][NDCG], alone(platforms))
    each = [p.uplift[JOINED][NDCG] for p in platforms]  # no user is at two of these shops
    half = sum(((i.high - i.low) / 2) ** 2 for i in each) ** 0.5 / len(each)
    middle = mean(i.mean for i in each)
    whole = UpliftInterval(mean=middle, low=middle - half, high=middle + half)
    return Gain.of(whole, alone(platforms))


def newcomer(results: Results) -> PlatformResults:
    """The platform with the fewest users."""
    return min(results.platforms.values(), key=lambda p: p.users)


def harmed(results: Results) -> Iterator[tuple[str, Gain]]:
    """Platforms whose own interval lies below zero, and what they lose."""
    for name, platform in results.platforms.items():
        difference = platform.uplift.get(JOINED, {}).get(NDCG)
        if difference and platform.local_fusion and difference.high < 0:
            yield name, Gain.of(difference, platform.local_fusion.ndcg_10)
