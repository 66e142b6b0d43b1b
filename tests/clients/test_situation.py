"""Which scenario a plan looks like to a node."""

from __future__ import annotations

import pytest

from clients.situation import OwnData, situation
from tests.clients.recommenders.small_data import histories
from tests.plans import make_plan

SHOP = OwnData(users=1500, events_per_user=6.0, shared_articles=0.5)
EQUALS = (1024, 1024, 1024)
GIANT = (8192, 1024, 1024)


@pytest.mark.parametrize(
    ("users", "changes", "scenario"),
    [
        (EQUALS, {}, "same-vertical"),
        (GIANT, {}, "giant-and-small"),
        (EQUALS, {"shared_articles": 0.02}, "cross-vertical"),
        (GIANT, {"shared_articles": 0.02}, "cross-vertical"),
        (GIANT, {"users": 300, "events_per_user": 2.5}, "new-shop"),
        (EQUALS, {"shared_articles": None}, "one of a kind"),
    ],
)
def test_a_node_recognises_the_scenario(
    users: tuple[int, ...], changes: dict[str, float | None], scenario: str
) -> None:
    values = {"users": 1500, "events_per_user": 6.0, "shared_articles": 0.5} | changes
    own = OwnData(**values)  # type: ignore[arg-type]
    plan = make_plan(users)
    found = situation(plan, plan.partners[1], own)
    assert found.scenario == scenario
    assert scenario in found.sentence()


def test_own_data_are_counted() -> None:
    own = OwnData.of(histories([1, 2, 3], [4]), None)
    assert (own.users, own.events_per_user) == (2, 2.0)
    assert OwnData.of(histories([1]).take([]), 0.5).events_per_user == 0.0


def test_a_giant_is_told_that_it_is_one() -> None:
    plan = make_plan(GIANT)
    assert "this platform is a giant" in situation(plan, plan.partners[0], SHOP).reason
    assert "a partner is a giant" in situation(plan, plan.partners[1], SHOP).reason
