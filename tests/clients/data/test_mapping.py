"""The mapping of a platform's columns and names, as read from TOML."""

import tomllib

import pytest

from clients.data.mapping import Rules, SourceMapping
from clients.data.problems import Kind
from shared.config import parse
from shared.contract import EVENT_TYPES
from shared.errors import InvalidValueError, UnknownKeyError

EXAMPLE = """
[events]
time_unit = "milliseconds"
[events.columns]
user_id = "customer"
item_id = "sku"
timestamp = "at"
event = "action"
[events.event_names]
"Add to Basket" = "cart"
[items.columns]
item_id = "sku"
title = "name"
[rules]
min_events = 2
[rules.max_rejected_by_kind]
wrong_time = 0.3
"""


def test_a_mapping_reads_from_toml() -> None:
    mapping = parse(SourceMapping, tomllib.loads(EXAMPLE), where="node.toml")
    assert mapping.events.columns.user_id == "customer"
    assert mapping.items.columns.categories == "categories"
    assert mapping.events.codes()["add to basket"] == EVENT_TYPES.index("cart")
    assert mapping.events.codes()["view"] == EVENT_TYPES.index("view")
    assert mapping.rules.limit(Kind.WRONG_TIME) == 0.3


def test_an_unknown_key_is_refused_with_the_nearest_name() -> None:
    values = {"events": {"columns": {"user": "u"}}}
    with pytest.raises(UnknownKeyError, match="did you mean 'user_id'"):
        parse(SourceMapping, values, where="node.toml")


@pytest.mark.parametrize(
    "events",
    [
        {"event_names": {"buy": "bought"}},
        {"default_event": "bought"},
        {"time_unit": "minutes"},
    ],
)
def test_a_value_outside_the_contract_is_refused(events: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        parse(SourceMapping, {"events": events}, where="node.toml")


def test_repetitions_and_short_histories_are_tolerated_more_than_the_rest() -> None:
    rules = Rules(max_rejected=0.01, max_rejected_by_kind={Kind.DUPLICATE_EVENT: 0.2})
    assert rules.limit(Kind.FUTURE_TIME) == 0.01
    assert rules.limit(Kind.DUPLICATE_EVENT) == 0.2
    assert rules.limit(Kind.SHORT_HISTORY) == 1.0
