"""Learning curves as lines: of the shared model over rounds, of local training over its looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from simulations.reporting.wording import system_use
from simulations.results import SYSTEMS, CurvePoint, PlatformResults, SystemName

Phase = Literal["rounds", "looks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a plot.

    Attributes
    ----------
    system
        Whose line it is.
    phase
        Whether the numbers are rounds of the federation or looks at validation in local training.
    points
        (number, NDCG@10), numbers rising.
    """

    system: SystemName
    phase: Phase
    points: tuple[tuple[int, float], ...]


def curves(platform: PlatformResults, phase: Phase) -> list[Curve]:
    """The lines of one phase, in the order of tables.

    The results list a system's points one after another; where the numbers start again, local
    training begins. Only a federated system has rounds before it.
    """
    return [
        Curve(system=system, phase=found, points=points)
        for system in SYSTEMS
        for position, points in enumerate(_rising(p for p in platform.curves if p.system == system))
        if (found := _phase(system, position)) == phase
    ]


def _phase(system: SystemName, position: int) -> Phase:
    federated = system_use(system).startswith("federation")
    return "rounds" if federated and position == 0 else "looks"


def _rising(points: Iterable[CurvePoint]) -> list[tuple[tuple[int, float], ...]]:
    lines: list[list[tuple[int, float]]] = []
    for point in points:
        if not lines or point.round <= lines[-1][-1][0]:
            lines.append([])
        lines[-1].append((point.round, point.ndcg_10))
    return [tuple(line) for line in lines]
