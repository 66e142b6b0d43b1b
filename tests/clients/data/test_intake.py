"""The door: what passes carries pseudonyms, what does not is counted."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.data.codes import normal_ids
from clients.data.intake import Intake, gathered
from clients.data.problems import Kind, Problem, Tally
from clients.data.sources import Batch, TableSource
from tests.clients.data.tables import KEY

COLUMNS = {"user_id": "who", "item_id": "what"}


def admit(users: list[object], items: list[object]) -> tuple[pa.Table, tuple[Problem, ...]]:
    tally = Tally("events", 5)
    source = TableSource("t", pa.table({"who": pa.array(users), "what": pa.array(items)}))
    intake = Intake(source, COLUMNS, tally, key=KEY, constants={"event": "view"})
    (table,) = (reader.read_all() for reader in intake.portions())
    (names,) = (meanings.to_pylist() for _, meanings in intake.names("user_id"))
    users_told = pa.array([names[code].bytes.hex() for code in table["user_id"].to_pylist()])
    return table.append_column("pseudonym", users_told), tally.problems(len(users))


def test_users_leave_as_numbers_of_their_pseudonyms_and_constants_are_added() -> None:
    table, problems = admit([b"ann", b" ann ", b"ben"], [b"x", b"y", b"z"])
    assert pa.types.is_integer(table["user_id"].type)
    assert table["pseudonym"].to_pylist() == [
        KEY.pseudonym("ann"),
        KEY.pseudonym("ann"),
        KEY.pseudonym("ben"),
    ]
    assert table["event"].to_pylist() == ["view"] * 3
    assert problems == ()


def test_rows_without_a_usable_user_are_turned_away_and_shown_without_the_id() -> None:
    secret = b"\xffann"
    table, problems = admit([b"", b"  ", secret, b"u" * 513, b"ben"], [b"x"] * 5)
    assert table["row"].to_pylist() == [5]
    assert {(p.kind, p.column, p.count) for p in problems} == {
        (Kind.MISSING_USER, "who", 2),
        (Kind.BAD_ENCODING, "who", 1),
        (Kind.LONG_ID, "who", 1),
    }
    assert all(example.value == "" for p in problems for example in p.examples)


def test_other_undecodable_cells_are_shown_with_escaped_bytes() -> None:
    _, (problem,) = admit([b"ann", b"ben"], [b"caf\xe9", b"x"])
    assert (problem.kind, problem.column) == (Kind.BAD_ENCODING, "what")
    assert [(example.row, example.value) for example in problem.examples] == [(1, "caf\\xe9")]


def test_numbers_and_text_give_the_same_pseudonym() -> None:
    numbers, texts = (admit(list(users), ["x", "y"])[0] for users in ([7, 8], ["7", "8"]))
    assert numbers["pseudonym"] == texts["pseudonym"]


def test_an_empty_source_has_no_stream() -> None:
    source = TableSource("t", pa.table({"who": pa.array([], pa.string())}))
    intake = Intake(source, {"user_id": "who"}, Tally("events", 5), key=KEY)
    assert list(intake.portions()) == []


def test_portions_hold_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.data.intake.PORTION_ROWS", 3)
    monkeypatch.setattr("clients.data.intake.GATHERED_ROWS", 1)
    batches = [pa.table({"who": [f"u{n}"]}) for n in range(7)]
    source = TableSource("t", pa.concat_tables(batches))
    intake = Intake(source, {"user_id": "who"}, Tally("events", 5), key=KEY)
    rows = [reader.read_all()["row"].to_pylist() for reader in intake.portions()]
    assert rows == [[1, 2, 3], [4, 5, 6], [7]]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 5))
def test_gathering_keeps_every_row_in_order(sizes: list[int], most: int) -> None:
    total = sum(sizes)
    table = pa.record_batch({"who": pa.array([f"u{n}" for n in range(total)], pa.string())})
    ends = np.cumsum(sizes)
    batches = [
        Batch(np.arange(end - size, end), table.slice(end - size, size))
        for end, size in zip(ends, sizes, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clients.data.intake.GATHERED_ROWS", most)
        found = list(gathered(batches))
    assert np.concatenate([batch.rows for batch in found]).tolist() == list(range(total))
    assert pa.Table.from_batches([batch.data for batch in found]).equals(
        pa.Table.from_batches([table])
    )


@given(st.lists(st.text(), min_size=1))
def test_normal_ids_are_stable(texts: list[str]) -> None:
    once = normal_ids(pa.array(texts, pa.string()))
    assert normal_ids(once).equals(once)


def test_composed_and_decomposed_letters_are_the_same_id() -> None:
    assert normal_ids(pa.array(["e\u0301", "\u00e9"])).to_pylist() == ["\u00e9", "\u00e9"]
