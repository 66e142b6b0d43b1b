"""Names and sentences of the attacks; the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from simulations.attacks.results import (
    AttackResults,
    Conduct,
    Group,
    InversionRow,
    MembershipRow,
    PromotionRow,
    Setting,
    View,
)
from simulations.reporting.wording import epsilon_text
from simulations.results import UpliftInterval

SETTINGS: Final[dict[Setting, str]] = {
    "plain": "no protection",
    "dp": "DP only",
    "secagg": "masks only",
    "both": "DP and masks",
}
VIEWS: Final[dict[View, str]] = {
    "update": "the node's update",
    "upload": "its masked upload",
    "opened": "the opened sum",
    "released": "the released model",
}
GROUPS: Final[dict[Group, str]] = {"users": "real users", "canaries": "crafted users"}
CONDUCTS: Final[dict[Conduct, str]] = {
    "honest": "honest",
    "poisoned": "false data, protocol obeyed",
    "boosted": "update scaled to the range",
    "over_the_norm": "the same, plan sets a norm",
    "within_the_norm": "update scaled to pass the norm",
}


def seen(row: InversionRow | MembershipRow) -> str:
    """What protects, and what is looked at."""
    return f"{SETTINGS[row.setting]}: {VIEWS[row.view]}"


def share(interval: UpliftInterval) -> str:
    """``.98 (.97–.99)``."""
    return f"{_short(interval.mean)} ({_short(interval.low)}–{_short(interval.high)})"


def places(interval: UpliftInterval | None) -> str:
    """Ranks and differences of ranks: ``+120 (+80 to +160)``."""
    if interval is None:
        return "–"
    return f"{interval.mean:,.0f} ({interval.low:,.0f} to {interval.high:,.0f})"


def claim(row: MembershipRow) -> str:
    """The claimed epsilon."""
    return "none" if row.claimed_epsilon is None else epsilon_text(row.claimed_epsilon)


def exceeded(row: MembershipRow) -> bool:
    """Whether the audit refutes the claim."""
    return row.claimed_epsilon is not None and row.epsilon_bound > row.claimed_epsilon


def headline(results: AttackResults) -> list[str]:
    """What was found, a sentence for each attack."""
    found = [_inversion(results.inversion), _membership(results.membership)]
    return [sentence for sentence in (*found, _promotion(results.promotion)) if sentence]


def _inversion(rows: list[InversionRow]) -> str:
    if not rows:
        return ""
    users, steps = rows[0].batch_users, rows[0].steps
    told = "; ".join(
        f"{seen(row)} {row.recall.mean:.0%}"
        for row in rows
        if (row.batch_users, row.steps) == (users, steps)
    )
    return (
        f"Items recovered from {users} user{'s' * (users > 1)} and {steps} "
        f"step{'s' * (steps > 1)}, guessing finds {rows[0].chance:.1%}: {told}."
    )


def _membership(rows: list[MembershipRow]) -> str:
    if not rows:
        return ""
    open_rows = [row for row in rows if row.claimed_epsilon is None]
    claims = sorted({row.claimed_epsilon for row in rows if row.claimed_epsilon is not None})
    parts = [f"without noise at least {_largest(open_rows):.2f}"] if open_rows else []
    for value in claims:
        bound = _largest(row for row in rows if row.claimed_epsilon == value)
        parts.append(f"where {epsilon_text(value)} is claimed, at least {bound:.2f}")
    broken = [seen(row) for row in rows if exceeded(row)]
    verdict = f" THE CLAIM IS REFUTED: {', '.join(broken)}." if broken else ""
    return f"Epsilon by membership inference, 95%: {'; '.join(parts)}.{verdict}"


def _promotion(rows: list[PromotionRow]) -> str:
    told = [
        f"{CONDUCTS[row.conduct]} {row.released_shift.mean:+,.0f}"
        for row in rows
        if row.conduct != "honest" and row.released_shift is not None
    ]
    if not told:
        return ""
    return (
        f"Places of {rows[0].catalogue:,.0f} by which one partner lifts an item in the released "
        f"model: {'; '.join(told)}."
    )


def _largest(rows: Iterable[MembershipRow]) -> float:
    return max(row.epsilon_bound for row in rows)


def _short(value: float) -> str:
    text = f"{value:.2f}"
    return text.removeprefix("0") if text.startswith("0.") else text
