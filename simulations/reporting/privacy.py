"""What a figure of epsilon claims, in the words that stand wherever one is shown."""

from __future__ import annotations

from typing import Final

from simulations.reporting.wording import epsilon_range
from simulations.results import Results

UNIT: Final = "one user at one platform, with all the data the platform holds on them"
NEIGHBOURS: Final = "add or remove one user"
AGAINST: Final = "anyone who sees every message the platform ever sends, the coordinator included"
OWN_NOISE: Final = "nobody else is trusted: the noise is the platform's own"
ACCOUNTANT: Final = "privacy loss distributions (PLD), composed over all rounds"
SHARED_ACCOUNTANT: Final = (
    "Rényi divergences of the discrete mechanism, composed over all rounds, for the worst sum that "
    "may be opened"
)

COMPOSITION: Final = (
    "A person who uses several of the platforms is covered by the composition of their guarantees."
)
NOT_COVERED: Final = (
    "inputs when recommendations are served",
    "the platform's own staff",
    "figures published outside the ledger, those of this report among them",
    "floating-point side channels",
)


def claim(results: Results) -> str:
    """The guarantee in full, with whom it trusts."""
    return (
        "Each platform guarantees (ε, δ)-differential privacy at user level: the unit is "
        f"{UNIT} ({NEIGHBOURS}). It holds for the whole sequence of messages, "
        f"over all rounds, against {AGAINST}; {trust(results)}. It assumes that the platform "
        "itself, its software, its randomness and its sampling are honest."
    )


def short(results: Results) -> str:
    """The guarantee in a line."""
    return (
        f"unit: {UNIT} ({NEIGHBOURS}); against {AGAINST}; {trust(results)}; "
        f"accountant: {accountant(results)}. {COMPOSITION}"
    )


def accountant(results: Results) -> str:
    """How epsilon was computed."""
    return SHARED_ACCOUNTANT if _honest(results) else ACCOUNTANT


def trust(results: Results) -> str:
    """Whom epsilon trusts, and what it is without that trust."""
    honest = _honest(results)
    if not honest:
        return OWN_NOISE
    alone = [p.epsilon_alone for p in results.platforms.values() if p.epsilon_alone is not None]
    return (
        "the platforms share the noise, so ε trusts secure aggregation and that at least "
        f"{honest} platforms of every sum added their part and keep it to themselves; "
        f"trusting nobody, ε is {epsilon_range(alone) if alone else 'not bounded'}"
    )


def _honest(results: Results) -> int:
    return max((p.epsilon_trusts for p in results.platforms.values()), default=0)
