"""Columns of whatever type a source has, as the text or time that cleaning expects."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

LIST_SEPARATOR: Final = "\x1f"
"""ASCII's unit separator, which no sensible text contains."""

Bad = NDArray[np.bool_] | None


def as_text(column: pa.Array) -> tuple[pa.Array, Bad]:
    """The column as strings, and which cells are no valid text (none if all are).

    Whole numbers lose no digit and gain no decimal point, even where missing values made a float
    column of them; lists are joined by `LIST_SEPARATOR`.
    """
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_bytes(column.type):
        return _decoded(column)
    if kinds.is_list(column.type) or kinds.is_large_list(column.type):
        return pc.binary_join(pc.cast(column, pa.list_(pa.string())), LIST_SEPARATOR), None
    if kinds.is_floating(column.type) and _whole(column):
        column = column.cast(pa.int64())
    return column.cast(pa.string()), None


def as_time(column: pa.Array) -> tuple[pa.Array, Bad]:
    """The column as numbers (float64) or dates (microseconds) if it holds such, else as text."""
    kind = column.type
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind):
        return column.cast(pa.float64(), safe=False), None
    if kinds.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False), None
    if kinds.is_date(kind):
        return column.cast(pa.timestamp("us")), None
    return as_text(column)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind)
    )


def _decoded(column: pa.Array) -> tuple[pa.Array, Bad]:
    try:
        return column.cast(pa.binary()).cast(pa.string()), None
    except pa.ArrowInvalid:
        texts = [_text(cell) for cell in column.to_pylist()]
    bad = np.array([text is None for text in texts], dtype=np.bool_)
    return pa.array(["" if text is None else text for text in texts], pa.string()), bad


def _text(cell: bytes | None) -> str | None:
    try:
        return (cell or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None


def _whole(column: pa.Array) -> bool:
    values = pc.drop_null(column).to_numpy()
    return bool(np.all(np.isfinite(values) & (values == np.floor(values)) & (abs(values) < 2**53)))
