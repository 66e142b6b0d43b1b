"""What a figure of epsilon claims, in the words that stand wherever one is shown."""

from __future__ import annotations

from typing import Final

UNIT: Final = "one user at one platform, with all the data the platform holds on them"
NEIGHBOURS: Final = "add or remove one user"
AGAINST: Final = "anyone who sees every message the platform ever sends, the coordinator included"
ACCOUNTANT: Final = "privacy loss distributions (PLD), composed over all rounds"

CLAIM: Final = (
    "Each platform guarantees (ε, δ)-differential privacy at user level: the unit is "
    f"{UNIT} ({NEIGHBOURS}). It holds for the whole sequence of messages, "
    f"over all rounds, against {AGAINST}. Nobody else is trusted: the noise is the platform's own. "
    "It assumes that the platform itself, its software, its randomness and its sampling are honest."
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
SHORT: Final = (
    f"unit: {UNIT} ({NEIGHBOURS}); against {AGAINST}; accountant: {ACCOUNTANT}. {COMPOSITION}"
)
