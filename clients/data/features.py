"""Feature columns: embeddings of images, audio or anything else, one fixed-size list an item.

A platform keeps them in a Parquet file beside its items: ``item_id`` and one column a modality, a
list of numbers of the same length in every row; null where an item has none. They stay at the node,
like texts; only parameters that read them are trained together, so partners must agree on the
encoder that made a column of one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    """

    name: str
    vectors: Float32s
    present: NDArray[np.bool_]


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
    return tuple(_features(name, table.column(name), rows, len(catalogue), path) for name in names)


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
    name: str, column: pa.ChunkedArray, rows: NDArray[np.int64], count: int, path: Path
) -> Features:
    where = f"{path}, column {name}"
    kind = column.type
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
        raise FeatureColumnError(f"type {kind}", where=where)
    known = pc.is_valid(column).to_numpy()
    lengths = {len(cell) for cell in column.drop_null().to_pylist()}
    if len(lengths) > 1:
        raise FeatureColumnError(f"lists of {sorted(lengths)[:3]} numbers", where=where)
    values = _matrix(column, lengths.pop() if lengths else 1, where)
    kept = rows[known] >= 0
    vectors = np.zeros((count, values.shape[1]), dtype=np.float32)
    vectors[rows[known][kept]] = values[kept]
    return Features(name=name, vectors=vectors, present=np.asarray(vectors.any(axis=1)))


def _matrix(column: pa.ChunkedArray, width: int, where: str) -> Float32s:
    try:
        flat = pc.list_flatten(column.drop_null()).combine_chunks()
        values = flat.cast(pa.float32()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise FeatureColumnError(str(error), where=where) from error
    if not np.isfinite(values).all():
        raise FeatureColumnError("a number is missing or not finite", where=where)
    return np.asarray(values, dtype=np.float32).reshape(-1, width)
