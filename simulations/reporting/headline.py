"""What a run says, in three sentences that hide nobody's loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulations.reporting.uplift import Outcome, Uplift, uplifts
from simulations.reporting.wording import (
    deployable,
    epsilon_range,
    figure,
    listing,
    system_label,
)
from simulations.results import Results

MOST_WITH_INTERVAL = 3
"""Of more platforms the sentence tells the means only; the intervals stand further down."""


def headline(results: Results) -> list[str]:
    """Who gains by joining, who does not, and what it costs; parts without data are left out."""
    found = uplifts(results)
    sentences = [_gains(found), _others(found)] if found else []
    return [s for s in (*sentences, _quality_and_cost(results)) if s]


def _gains(found: list[Uplift]) -> str:
    gains = _having(found, "gain")
    if not gains:
        return (
            "Joining the federation is not shown to be worth it for any platform of this run: "
            "no interval of the difference in NDCG@10 lies above zero."
        )
    who = "for every platform" if len(gains) == len(found) else f"for {len(gains)} of {len(found)}"
    noun = "" if len(gains) == len(found) else (" platform" if len(found) == 1 else " platforms")
    return f"Joining the federation is worth it {who}{noun}: {_told(gains)} in NDCG@10."


def _others(found: list[Uplift]) -> str:
    losses = _having(found, "loss")
    unclear = [uplift for uplift in _having(found, "unclear") if not uplift.unchanged]
    unchanged = [uplift.platform for uplift in found if uplift.unchanged]
    parts = []
    if losses:
        parts.append(f"it makes recommendations worse for {_told(losses)}")
    if unclear:
        parts.append(f"it makes no significant difference for {_told(unclear)}")
    if unchanged:
        who = listing(unchanged)
        parts.append(f"it changes nothing for {who}, whose fusion gives it no weight")
    text = ", and ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _quality_and_cost(results: Results) -> str:
    usable = {name: m.ndcg_10 for name, m in results.macro.items() if deployable(name)}
    if not usable:
        return ""
    best = max(usable, key=lambda name: usable[name])
    text = f"The best system a partner could run is {system_label(best)}: {figure(usable[best])}"
    text += " NDCG@10 on average over the platforms"
    if best != "fusion" and "fusion" in usable:
        text += f", ahead of the fusion with {figure(usable['fusion'])}"
    spent = epsilon_range(platform.epsilon for platform in results.platforms.values())
    shared = any(platform.epsilon_trusts for platform in results.platforms.values())
    trust = ", trusting secure aggregation and the other platforms' noise" if shared else ""
    return f"{text}; privacy spent is ε = {spent} per platform{trust}." if spent else f"{text}."


def _having(found: Iterable[Uplift], outcome: Outcome) -> list[Uplift]:
    return [uplift for uplift in found if uplift.outcome == outcome]


def _told(found: Sequence[Uplift]) -> str:
    several = len(found) > MOST_WITH_INTERVAL
    return listing(
        [f"{u.platform} ({u.change}{'' if several else f', {u.interval_words}'})" for u in found]
    )
