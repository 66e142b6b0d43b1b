"""Feature columns: embeddings of images, audio or anything else, one fixed-size list an item.

A platform keeps them in a Parquet file beside its items: ``item_id`` and one column a modality, a
list of numbers of the same length in every row; null where an item has none. They stay at the node,
like texts; only parameters that read them are trained together, so partners must agree on the
encoder that made a column of one name: a plan names it, and a node holds that against its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pyarrow.types as kinds
from numpy.typing import NDArray

from clients.data.dataset import Catalogue
from shared.contract import ITEM
from shared.errors import ModelError

Float32s = NDArray[np.float32]

ENCODER: Final = b"encoder"
"""Key of a column's Parquet metadata that says what made its vectors."""


class FeatureFileError(ModelError):
    """A file of feature columns that cannot be read, or lacks the item ids."""

    code = "MODEL-101"
    default_remedy = f"write Parquet with a column {ITEM} and one list column a modality"


class FeatureColumnError(ModelError):
    """A feature column that is not a list of numbers of one length."""

    code = "MODEL-102"
    default_remedy = "write each row as a list of finite numbers, all of the same length, or null"


class NoSuchFeatureError(ModelError):
    """A modality is asked for that the file of feature columns does not have."""

    code = "MODEL-103"


class OtherFeatureEncoderError(ModelError):
    """A feature column was made by another encoder than the plan says."""

    code = "MODEL-104"
    default_remedy = "make the column with the plan's encoder, and name it in [data.features]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One modality of a catalogue.

    Attributes
    ----------
    name
        Name of the column.
    vectors
        (N, D) float32 in the order of the catalogue; zeros where an item has none.
    present
        (N,) whether an item has it.
    encoder
        What made the vectors; empty where nobody said.
    """

    name: str
    vectors: Float32s
    present: NDArray[np.bool_]
    encoder: str = ""


def read_features(path: Path, catalogue: Catalogue) -> tuple[Features, ...]:
    """All feature columns of `path`, aligned with `catalogue`; rows of other items are ignored.

    Raises
    ------
    FeatureFileError, FeatureColumnError
    """
    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise FeatureFileError(str(error), where=str(path)) from error
    if ITEM not in table.column_names:
        raise FeatureFileError(f"no column {ITEM}", where=str(path))
    places = {item: place for place, item in enumerate(catalogue.item_ids)}
    ids = pc.cast(table.column(ITEM), pa.string()).to_pylist()
    rows = np.array([places.get(item, -1) for item in ids], dtype=np.int64)
    names = [name for name in table.column_names if name != ITEM]
    return tuple(_features(table, name, rows, len(catalogue), path) for name in names)


def features_table(features: Sequence[Features], catalogue: Catalogue) -> pa.Table:
    """`features` as the table that `read_features` reads; null where an item has none."""
    columns, fields = [pa.array(catalogue.item_ids, pa.string())], [pa.field(ITEM, pa.string())]
    for one in features:
        width = one.vectors.shape[1]
        values = pa.array(one.vectors.reshape(-1), pa.float32())
        missing = pa.array(~one.present)
        columns.append(pa.FixedSizeListArray.from_arrays(values, width, mask=missing))
        kind, facts = columns[-1].type, {ENCODER: one.encoder.encode()}
        fields.append(pa.field(one.name, kind, metadata=facts))
    return pa.table(columns, schema=pa.schema(fields))


def features_named(name: str, features: Sequence[Features]) -> Features:
    """The modality `name`.

    Raises
    ------
    NoSuchFeatureError
    """
    for one in features:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in features) or "none"
    raise NoSuchFeatureError(f"no feature column {name!r}", remedy=f"columns there: {known}")


def _features(
    table: pa.Table, name: str, rows: NDArray[np.int64], count: int, path: Path
) -> Features:
    where, column = f"{path}, column {name}", table.column(name)
    kind, facts = column.type, table.schema.field(name).metadata or {}
    encoder = facts.get(ENCODER, b"").decode(errors="replace")
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
        raise FeatureColumnError(f"type {kind}", where=where)
    known = pc.is_valid(column).to_numpy()
    lengths = set(pc.unique(pc.list_value_length(column.drop_null())).to_pylist())
    if len(lengths) > 1:
        raise FeatureColumnError(f"lists of {sorted(lengths)[:3]} numbers", where=where)
    values = _matrix(column, lengths.pop() if lengths else 1, where)
    kept = rows[known] >= 0
    vectors = np.zeros((count, values.shape[1]), dtype=np.float32)
    vectors[rows[known][kept]] = values[kept]
    present = np.asarray(vectors.any(axis=1))
    return Features(name=name, vectors=vectors, present=present, encoder=encoder)


def _matrix(column: pa.ChunkedArray, width: int, where: str) -> Float32s:
    try:
        flat = pc.list_flatten(column.drop_null()).combine_chunks()
        values = flat.cast(pa.float32()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise FeatureColumnError(str(error), where=where) from error
    if not np.isfinite(values).all():
        raise FeatureColumnError("a number is missing or not finite", where=where)
    return np.asarray(values, dtype=np.float32).reshape(-1, width)
