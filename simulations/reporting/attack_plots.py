"""Plots of the attacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from markupsafe import Markup

from simulations.attacks.results import (
    AttackResults,
    InversionRow,
    MembershipRow,
    PromotionRow,
)
from simulations.reporting.attack_wording import (
    CONDUCTS,
    GROUPS,
    claim,
    exceeded,
    places,
    seen,
    share,
)
from simulations.reporting.svg import (
    INK,
    LOSS,
    MUTED,
    OPEN,
    OWN,
    PAPER,
    POOLED,
    PRIVATE,
    draw,
)

Plots = list[tuple[str, Markup]]
WIDTH: Final = 4.6
ROW: Final = 0.3
CHANCE: Final = 0.5

_STYLES: Final = {
    ("plain", "update"): (LOSS, "-", "o"),
    ("dp", "update"): (PRIVATE, "-", "s"),
    ("secagg", "upload"): (OWN, ":", "^"),
    ("secagg", "opened"): (OPEN, "--", "o"),
    ("both", "upload"): (MUTED, ":", "v"),
    ("both", "opened"): (POOLED, "-.", "s"),
    ("secagg", "released"): (OPEN, ":", "D"),
    ("both", "released"): (POOLED, ":", "D"),
}
"""Colour, line and marker of each view."""


def inversion_plots(results: AttackResults) -> Plots:
    """AUC against the size of the batch, a plot for each number of local steps."""
    steps = sorted({row.steps for row in results.inversion})
    return [
        (
            f"Local steps: {count}",
            _inversion_plot(count, [r for r in results.inversion if r.steps == count]),
        )
        for count in steps
    ]


def membership_plots(results: AttackResults) -> Plots:
    """AUC of every view, a plot for each group of candidates."""
    found = {g: [r for r in results.membership if r.group == g] for g in GROUPS}
    return [(GROUPS[g].capitalize(), _auc_plot(g, rows)) for g, rows in found.items() if rows]


def epsilon_plots(results: AttackResults) -> Plots:
    """Epsilon that is refuted beside what is claimed, likewise."""
    found = {g: [r for r in results.membership if r.group == g] for g in GROUPS}
    return [(GROUPS[g].capitalize(), _epsilon_plot(g, rows)) for g, rows in found.items() if rows]


def promotion_plots(results: AttackResults) -> Plots:
    """Places that the item rises by in the released model and as served."""
    rows = [row for row in results.promotion if row.conduct != "honest"]
    return [("Places gained", _promotion_plot(rows))] if rows else []


def _inversion_plot(steps: int, rows: Sequence[InversionRow]) -> Markup:
    batches = sorted({row.batch_users for row in rows})
    kinds = list(dict.fromkeys((row.setting, row.view) for row in rows))
    told = "; ".join(f"{seen(r)}, {r.batch_users} users: {share(r.auc)}" for r in rows)

    def plot(axes: Any) -> None:
        axes.axhline(CHANCE, color=INK, linewidth=0.8)
        for kind in kinds:
            mine = [row for row in rows if (row.setting, row.view) == kind]
            places_ = [batches.index(row.batch_users) for row in mine]
            colour, line, marker = _STYLES[kind]
            axes.errorbar(
                places_,
                [row.auc.mean for row in mine],
                yerr=_errors([row.auc for row in mine]),
                fmt=f"{marker}{line}",
                color=colour,
                markersize=5,
                linewidth=1.6,
                elinewidth=1,
                label=seen(mine[0]),
            )
        axes.set_xticks(range(len(batches)), [str(users) for users in batches])
        axes.set_xlabel("users behind the update")
        axes.set_ylabel("AUC over the catalogue")
        axes.grid(axis="y")
        axes.figure.legend(loc="outside upper left", frameon=False, ncols=1, fontsize=8)

    title = f"Items recovered after {steps} local steps"
    return draw(f"inversion-{steps}", title, f"{told}.", (WIDTH, 3.8), plot)


def _auc_plot(group: str, rows: Sequence[MembershipRow]) -> Markup:
    told = "; ".join(f"{_labelled(row)}: {share(row.auc)}" for row in rows)

    def plot(axes: Any) -> None:
        axes.axvline(CHANCE, color=INK, linewidth=1)
        for place, row in enumerate(rows):
            colour, _, marker = _STYLES[row.setting, row.view]
            axes.errorbar(
                row.auc.mean,
                place,
                xerr=_errors([row.auc]),
                fmt=marker,
                color=colour,
                markersize=6,
                elinewidth=1.6,
            )
        _label_rows(axes, [_labelled(row) for row in rows])
        axes.set_xlabel("AUC, 95% intervals; 0.5 is chance")

    size = (WIDTH, 0.75 + ROW * len(rows))
    return draw(f"membership-{group}", f"Membership of {group}", f"{told}.", size, plot)


def _epsilon_plot(group: str, rows: Sequence[MembershipRow]) -> Markup:
    told = "; ".join(
        f"{seen(row)}: at least {row.epsilon_bound:.2f}, claimed {claim(row)}" for row in rows
    )

    def plot(axes: Any) -> None:
        for place, row in enumerate(rows):
            colour = LOSS if exceeded(row) or row.claimed_epsilon is None else PRIVATE
            axes.barh(place, row.epsilon_bound, height=0.55, color=colour)
            axes.plot([row.largest_bound], [place], "|", color=MUTED, markersize=9)
            if row.claimed_epsilon is not None:
                axes.plot(
                    [row.claimed_epsilon],
                    [place],
                    "D",
                    color=INK,
                    markerfacecolor=PAPER,
                    markersize=6,
                )
        _label_rows(axes, [_labelled(row) for row in rows])
        axes.set_xlim(left=0)
        axes.set_xlabel("ε: bar shown, | most that could be, ◇ claimed")

    size = (WIDTH, 0.75 + ROW * len(rows))
    return draw(f"epsilon-{group}", f"Epsilon shown for {group}", f"{told}.", size, plot)


def _promotion_plot(rows: Sequence[PromotionRow]) -> Markup:
    told = "; ".join(f"{CONDUCTS[row.conduct]}: {places(row.released_shift)}" for row in rows)

    def plot(axes: Any) -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for place, row in enumerate(rows):
            pairs = ((row.released_shift, OPEN, -0.12), (row.served_shift, PRIVATE, 0.12))
            for interval, colour, off in pairs:
                if interval is not None:
                    axes.errorbar(
                        interval.mean,
                        place + off,
                        xerr=_errors([interval]),
                        fmt="o",
                        color=colour,
                        markersize=5,
                        elinewidth=1.6,
                    )
        _label_rows(axes, [CONDUCTS[row.conduct] for row in rows])
        axes.set_xlabel("places gained: upper released model, lower as served")

    size = (WIDTH, 0.9 + 0.4 * len(rows))
    return draw("promotion", "Places gained by the promoted item", f"{told}.", size, plot)


def _labelled(row: MembershipRow) -> str:
    return f"{seen(row)}" + ("" if row.claimed_epsilon is None else f", ε {claim(row)}")


def _errors(intervals: Sequence[Any]) -> list[list[float]]:
    below = [max(0.0, i.mean - i.low) for i in intervals]
    return [below, [max(0.0, i.high - i.mean) for i in intervals]]


def _label_rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
