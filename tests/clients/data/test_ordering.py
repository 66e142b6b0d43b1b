"""The ordered stream: what it says does not depend on where its batches end."""

import random

import pytest

from clients.data.problems import Kind
from tests.clients.data.tables import Event, events_table, run

T = 1_700_000_000


def rows(count: int, seed: int) -> list[Event]:
    """Few users, items and times, so that ties and repetitions are frequent."""
    draw = random.Random(seed)
    kinds = ("view", "click")
    return [
        (
            f"u{draw.randrange(9)}",
            f"i{draw.randrange(4)}",
            T + draw.randrange(6),
            draw.choice(kinds),
        )
        for kind in draw.choices(kinds, k=count)
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
@pytest.mark.parametrize("rules", [{}, {"min_events": 8}, {"deduplicate": False}])
def test_batches_of_any_size_give_the_same(
    monkeypatch: pytest.MonkeyPatch, size: int, rules: dict[str, object]
) -> None:
    table = events_table(rows(150, size))
    whole = run(table, **rules)
    monkeypatch.setattr("clients.data.ordering.BATCH_ROWS", size)
    monkeypatch.setattr("clients.data.codes.MOST_KNOWN", 2)
    monkeypatch.setattr("clients.data.intake.GATHERED_ROWS", 5)
    cut = run(table, **rules)
    assert cut[1] == whole[1]
    assert cut[0].catalogue == whole[0].catalogue
    for name in ("users", "offsets", "items", "events", "times"):
        pair = (getattr(found[0].histories, name) for found in (cut, whole))
        one, other = (list(values) for values in pair)
        assert one == other, name


def test_a_repetition_names_the_first_row_that_it_repeats_and_costs_nothing_else() -> None:
    one: Event = ("ann", "x", T, "view")
    other: Event = ("ann", "y", T, "view")
    data, report = run(events_table([one, other, one, ("ann", "x", T, "click"), other, one]))
    assert [data.catalogue.item_ids[i] for i in data.histories.items] == ["x", "y", "x"]
    (problem,) = report.of(Kind.DUPLICATE_EVENT)
    assert problem.count == 3
    told = [(example.row, example.value) for example in problem.examples]
    assert told == [(5, "repeats row 2"), (6, "repeats row 1")]
