"""Columns of any type as text or time."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from clients.data.columns import LIST_SEPARATOR, as_text, as_time


@given(st.lists(st.binary(max_size=6)))
def test_binary_cells_are_text_exactly_where_they_are_utf8(cells: list[bytes]) -> None:
    values, bad = as_text(pa.array(cells, pa.binary()))
    for index, cell in enumerate(cells):
        try:
            expected = cell.decode()
        except UnicodeDecodeError:
            assert bad is not None
            assert bad[index]
        else:
            assert bad is None or not bad[index]
            assert values[index].as_py() == expected


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1) | st.none(), min_size=1))
def test_whole_numbers_survive_the_float_column_that_missing_values_make(
    cells: list[int | None],
) -> None:
    values, _ = as_text(pa.array(cells, pa.float64()))
    assert values.to_pylist() == [None if cell is None else str(cell) for cell in cells]


def test_dictionaries_lists_and_fractions_become_text() -> None:
    assert as_text(pa.array(["a", "b", "a"]).dictionary_encode())[0].to_pylist() == ["a", "b", "a"]
    assert as_text(pa.array([["a", "b"], None]))[0].to_pylist() == [f"a{LIST_SEPARATOR}b", None]
    assert as_text(pa.array([1.5, 2.0]))[0].to_pylist() == ["1.5", "2"]


def test_times_keep_their_type() -> None:
    assert as_time(pa.array([1, 2], pa.int32()))[0].type == pa.float64()
    assert as_time(pa.array([Decimal("1.5")]))[0].to_pylist() == [1.5]
    day = as_time(pa.array([dt.date(2024, 1, 2)]))[0]
    assert day.to_pylist() == [dt.datetime(2024, 1, 2)]
    zoned = pa.array(np.array(["2024-01-02T03:04:05.123456789"], "datetime64[ns]"))
    assert as_time(zoned)[0].type == pa.timestamp("us")
    assert as_time(pa.array([b"x"]))[0].to_pylist() == ["x"]
