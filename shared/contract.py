"""The data contract: column names and the event vocabulary that every platform maps its own onto.

The vocabulary is part of the contract because the behaviour model embeds event types: the same
index must mean the same thing at every node. New types are appended, never inserted.
"""

from __future__ import annotations

from typing import Final

USER: Final = "user_id"
ITEM: Final = "item_id"
TIME: Final = "timestamp"
EVENT: Final = "event"
VALUE: Final = "value"
TITLE: Final = "title"
CATEGORIES: Final = "categories"
DESCRIPTION: Final = "description"
PRICE: Final = "price"
LANGUAGE: Final = "language"

EVENT_COLUMNS: Final = (USER, ITEM, TIME, EVENT)
ITEM_COLUMNS: Final = (ITEM, TITLE)

EVENT_TYPES: Final = (
    "view",
    "click",
    "cart",
    "purchase",
    "rating",
    "review",
    "like",
    "share",
    "comment",
    "enrol",
    "complete",
    "apply",
)
"""Event types by index; the index is what the model sees."""

CATEGORY_SEPARATOR: Final = "|"
CONTRACT_VERSION: Final = 1
