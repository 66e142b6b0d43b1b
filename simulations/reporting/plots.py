"""The plots of the page; each is small enough to be read on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from markupsafe import Markup

from simulations.reporting.curves import Curve
from simulations.reporting.svg import (
    GAIN,
    INK,
    LINE,
    LOSS,
    MUTED,
    OPEN,
    OWN,
    PAPER,
    POOLED,
    PRIVATE,
    draw,
    plain,
)
from simulations.reporting.uplift import Uplift
from simulations.reporting.wording import (
    deployable,
    epsilon_text,
    figure,
    system_label,
    system_use,
)
from simulations.results import SYSTEMS, PlatformResults, SystemName

WIDTH: Final = 3.9
ROW: Final = 0.27
LABEL_LENGTH: Final = 24
"""Longer names of platforms are cut in plots; tables have them whole."""

_COLOURS: Final = {
    "own data": OWN,
    "federation, private": PRIVATE,
    "federation, no privacy": OPEN,
    "pooled data": POOLED,
}
_OUTCOMES: Final = {"gain": GAIN, "loss": LOSS, "unclear": MUTED}
_DASHES: Final = {
    "own data": ":",
    "federation, private": "-",
    "federation, no privacy": "--",
    "pooled data": "-.",
}


def systems_plot(key: str, name: str, platform: PlatformResults) -> Markup:
    """NDCG@10 of every system on one platform, with standard errors."""
    systems = [s for s in SYSTEMS if s in platform.systems]
    told = ", ".join(
        f"{system_label(s)} {figure(platform.systems[s].ndcg_10)}"
        for s in sorted(systems, key=lambda s: -platform.systems[s].ndcg_10)
    )

    def plot(axes: Any) -> None:
        for row, system in enumerate(systems):
            _system_row(axes, row, system, platform)
        _rows(axes, [system_label(s) for s in systems])
        axes.set_xlim(left=0)
        axes.set_xlabel("NDCG@10, ± standard error")

    size = (WIDTH, 0.75 + ROW * len(systems))
    return draw(
        key, f"NDCG@10 of the systems on {name}", f"From best to worst: {told}.", size, plot
    )


def _system_row(axes: Any, row: int, system: SystemName, platform: PlatformResults) -> None:
    result, colour = platform.systems[system], _COLOURS[system_use(system)]
    face = colour if deployable(system) else PAPER
    axes.hlines(row, 0, result.ndcg_10, color=LINE, linewidth=1)
    axes.errorbar(
        result.ndcg_10,
        row,
        xerr=result.se.ndcg_10,
        fmt="o",
        color=colour,
        markerfacecolor=face,
        markeredgecolor=colour,
        markersize=6,
        elinewidth=1.4,
        capsize=2,
    )


def uplift_plot(key: str, found: Sequence[Uplift]) -> Markup:
    """Gain of every platform by joining, with its interval; all relative or all in points."""
    relative = all(uplift.relative for uplift in found)
    told = "; ".join(f"{u.platform} {u.change}, {u.interval_words}" for u in found)

    def plot(axes: Any) -> None:
        for row, uplift in enumerate(found):
            _uplift_row(axes, row, uplift, relative=relative)
        axes.axvline(0, color=INK, linewidth=1)
        _rows(axes, [uplift.platform for uplift in found])
        axes.xaxis.set_major_formatter(lambda value, _: _gain_tick(value, relative=relative))
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel("worse  ←  NDCG@10 by joining  →  better")

    size = (4.0, 0.7 + 0.3 * len(found))
    return draw(key, "Gain in NDCG@10 by joining, 95% intervals", f"{told}.", size, plot)


def _gain_tick(value: float, *, relative: bool) -> str:
    if abs(value) < 1e-12:
        return "0"
    return f"{value:+.3g}" if not relative else f"{100 * value:+.3g}%"


def _uplift_row(axes: Any, row: int, uplift: Uplift, *, relative: bool) -> None:
    shown = uplift.shown if relative else uplift.interval
    colour = _OUTCOMES[uplift.outcome]
    axes.plot([shown.low, shown.high], [row, row], color=colour, linewidth=2.4)
    face = PAPER if uplift.outcome == "unclear" else colour
    axes.plot(
        [shown.mean],
        [row],
        "o",
        color=colour,
        markerfacecolor=face,
        markersize=8,
        markeredgewidth=1.6,
    )


def curves_plot(key: str, name: str, lines: Sequence[Curve]) -> Markup:
    """NDCG@10 on validation items, a line per system; all lines of one phase."""
    axis = "round" if lines[0].phase == "rounds" else "look at validation"
    told = "; ".join(_curve_words(line, axis) for line in lines)

    def plot(axes: Any) -> None:
        for line in lines:
            _curve(axes, line)
        _along(axes, axis, "NDCG@10 (validation)")
        axes.figure.legend(loc="outside upper left", frameon=False, ncols=1, fontsize=8)

    size = (3.5, 2.3 + 0.17 * len(lines))
    return draw(key, f"NDCG@10 on {name} by {axis}", f"{told}.", size, plot)


def _curve_words(line: Curve, axis: str) -> str:
    (first, start), (last, end) = line.points[0], line.points[-1]
    return (
        f"{system_label(line.system)} from {figure(start)} at {axis} {first} "
        f"to {figure(end)} at {axis} {last}"
    )


def _curve(axes: Any, line: Curve) -> None:
    numbers, values = zip(*line.points, strict=True)
    use = system_use(line.system)
    colour, label = _COLOURS[use], system_label(line.system)
    axes.plot(numbers, values, _DASHES[use], color=colour, linewidth=1.8, label=label)
    axes.plot(numbers[-1:], values[-1:], "o", color=colour, markersize=4)


def privacy_plot(key: str, name: str, platform: PlatformResults) -> Markup:
    """Epsilon spent up to and including every round."""
    line = sorted((point.round, point.epsilon) for point in platform.privacy)
    if line[0][0] == 1:
        line.insert(0, (0, 0.0))  # nothing is spent before the first round
    last_round, last = line[-1]

    def plot(axes: Any) -> None:
        rounds, values = zip(*line, strict=True)
        axes.step(rounds, values, where="post", color=PRIVATE, linewidth=1.8)
        axes.plot([last_round], [last], "o", color=PRIVATE, markersize=5)
        axes.annotate(
            epsilon_text(last), (last_round, last), (-6, 4), textcoords="offset points", ha="right"
        )
        _along(axes, "round", "ε spent")
        axes.set_ylim(top=max(last * 1.2, 0.1))

    told = f"ε reaches {epsilon_text(last)} after round {last_round}."
    return draw(key, f"Privacy spent by {name}", told, (3.5, 2.3), plot)


def _rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [_short(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _short(label: str) -> str:
    text = plain(label)
    return text if len(text) <= LABEL_LENGTH else f"{text[: LABEL_LENGTH - 1]}…"


def _along(axes: Any, axis: str, label: str) -> None:
    axes.set_xlabel(axis)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
