"""What ranking knows about the catalogue besides scores: one column a fact, made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Catalogue, Float64s, Int64s
from clients.ranking.config import RankingConfig
from clients.ranking.errors import UnusableFactsError
from clients.ranking.moments import moments, newest
from shared.contract import CATEGORY_SEPARATOR, PRICE

Float32s = NDArray[np.float32]
Column = Sequence[object]


@dataclass(frozen=True, slots=True)
class Codes:
    """A column of labels, each item with any number of them.

    Attributes
    ----------
    labels
        Label (case folded) → number.
    names
        Each label as it was first spelt, by number.
    offsets, numbers
        (N + 1,) and (L,) int64: the labels of item i are ``numbers[offsets[i]:offsets[i + 1]]``.
    """

    labels: dict[str, int]
    names: tuple[str, ...]
    offsets: Int64s
    numbers: Int64s

    @classmethod
    def of(cls, column: Sequence[Sequence[str]]) -> Codes:
        """Number the labels of each item."""
        labels: dict[str, int] = {}
        names: dict[int, str] = {}
        numbers = []
        for label in (label for row in column for label in row):
            number = labels.setdefault(label.casefold(), len(labels))
            names.setdefault(number, label)
            numbers.append(number)
        offsets = np.cumsum([0, *(len(row) for row in column)], dtype=np.int64)
        return cls(labels, tuple(names.values()), offsets, np.array(numbers, dtype=np.int64))

    def of_item(self, item: int) -> Int64s:
        """Numbers of the labels of one item."""
        return self.numbers[self.offsets[item] : self.offsets[item + 1]]

    def names_of(self, item: int) -> frozenset[str]:
        """The labels of one item, each as it was first spelt."""
        return frozenset(self.names[number] for number in self.of_item(item).tolist())

    def having(self, wanted: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether an item has at least one of the labels; unknown labels match nothing."""
        chosen = np.zeros(len(self.labels) + 1, dtype=np.int64)
        for label in wanted:
            chosen[self.labels.get(label.casefold(), len(self.labels))] = 1
        chosen[-1] = 0
        running = np.concatenate(([0], np.cumsum(chosen[self.numbers])))
        return np.asarray(running[self.offsets[1:]] > running[self.offsets[:-1]])


@dataclass(frozen=True, slots=True)
class Requirements:
    """Items that must be completed before others.

    Attributes
    ----------
    offsets, items
        (N + 1,) and (R,) int64: item i needs ``items[offsets[i]:offsets[i + 1]]``; an item that
        the catalogue does not have is -1 and can never be completed.
    """

    offsets: Int64s
    items: Int64s

    def met(self, completed: Int64s) -> NDArray[np.bool_]:
        """(N,) items that need nothing more than what is completed."""
        missing = np.ones(len(self.offsets), dtype=np.int64)
        missing[completed] = 0
        missing[-1] = 1
        running = np.concatenate(([0], np.cumsum(missing[self.items])))
        return np.asarray(running[self.offsets[1:]] == running[self.offsets[:-1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """Everything about N items that filters and re-ranking read.

    Attributes
    ----------
    index
        Item id → item index.
    vectors
        (N, d) float32 of unit length; a zero vector is like no other.
    categories
        All parts of each item's categories.
    group
        (N,) number of the category that caps count; each item without categories is its own.
    price, stock, suitability
        (N,) float64, NaN where unknown; None where the platform has no such column.
    added
        (N,) seconds since 1970 at which the item came into the catalogue, NaN where unknown.
    newest
        Indices of the newest items.
    requires
        What must be completed before each item; None where the platform has no such rule.
    attributes
        Other columns, by name.
    """

    index: Mapping[str, int]
    vectors: Float32s
    categories: Codes
    group: Int64s
    price: Float64s | None = None
    stock: Float64s | None = None
    suitability: Float64s | None = None
    added: Float64s | None = None
    newest: Int64s | None = None
    requires: Requirements | None = None
    attributes: Mapping[str, Codes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        vectors: Float32s,
        config: RankingConfig,
        columns: Mapping[str, Column] | None = None,
    ) -> ItemFacts:
        """Prepare the facts of a catalogue.

        Parameters
        ----------
        vectors
            (N, d) item vectors of any length.
        columns
            Extra columns of the items, N values each, None or "" where unknown. Those that
            `config` names must be there.

        Raises
        ------
        UnusableFactsError
            A column is missing, has another length, or holds text where numbers are needed.
        """
        columns = dict(columns or {})
        _check_lengths(columns, len(catalogue), len(vectors))
        parts = [split_categories(text) for text in catalogue.categories]
        stock, suitability = config.stock_attribute, config.suitability.attribute
        came = config.freshness.attribute
        special = {PRICE, stock, suitability, came, config.prerequisites.attribute}
        added = moments(_column(columns, came), came) if came else None
        index = {item_id: number for number, item_id in enumerate(catalogue.item_ids)}
        return cls(
            index=index,
            vectors=unit_rows(vectors),
            categories=Codes.of(parts),
            group=_groups(parts, config.category_level),
            price=_numbers(columns, PRICE) if PRICE in columns else None,
            stock=_numbers(columns, stock) if stock else None,
            suitability=_numbers(columns, suitability) if suitability else None,
            added=added,
            newest=None if added is None else newest(added),
            requires=_requirements(index, columns, config.prerequisites.attribute),
            attributes={
                name: Codes.of([_labels(value) for value in column])
                for name, column in columns.items()
                if name not in special
            },
        )


def split_categories(text: str) -> list[str]:
    """The parts of ``A | B | C``."""
    return [part.strip() for part in text.split(CATEGORY_SEPARATOR) if part.strip()]


def unit_rows(vectors: Float32s) -> Float32s:
    """(N, d) vectors of length one; zeros stay zeros. Those that are so already are not copied."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    if vectors.dtype == np.float32 and np.all((np.abs(squares - 1) < 1e-5) | (squares == 0)):
        return vectors
    norms = np.sqrt(squares)[:, None]
    return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def _check_lengths(columns: Mapping[str, Column], items: int, vectors: int) -> None:
    lengths = {"vectors": vectors, **{name: len(column) for name, column in columns.items()}}
    for name, length in lengths.items():
        if length != items:
            raise UnusableFactsError(
                f"{name!r} has {length} rows for {items} items", remedy="ingest the items again"
            )


def _groups(parts: list[list[str]], level: int) -> Int64s:
    """(N,) number of each item's category at `level`, the nearest that it has."""
    numbers: dict[str | int, int] = {}
    groups = []
    for item, names in enumerate(parts):
        place = min(level, len(names) - 1) if level >= 0 else max(level, -len(names))
        key: str | int = names[place].casefold() if names else item
        groups.append(numbers.setdefault(key, len(numbers)))
    return np.array(groups, dtype=np.int64)


def _numbers(columns: Mapping[str, Column], name: str) -> Float64s:
    """(N,) float64 of a column, NaN where it is empty."""
    return np.array([_number(value, name) for value in _column(columns, name)], dtype=np.float64)


def _column(columns: Mapping[str, Column], name: str) -> Column:
    """A column that the configuration names."""
    if name not in columns:
        raise UnusableFactsError(
            f"items have no column {name!r}",
            where="[ranking]",
            remedy="map the column in node.toml and ingest again, or take the rule out",
        )
    return columns[name]


def _number(value: object, name: str) -> float:
    if value is None or value == "":
        return np.nan
    try:
        return float(str(value))
    except ValueError:
        raise UnusableFactsError(
            f"{str(value)[:40]!r} is not a number", where=f"item column {name!r}"
        ) from None


def _labels(value: object) -> list[str]:
    return [] if value is None or value == "" else split_categories(str(value))


def _requirements(
    index: Mapping[str, int], columns: Mapping[str, Column], name: str
) -> Requirements | None:
    if not name:
        return None
    if name not in columns:
        raise UnusableFactsError(f"items have no column {name!r}", where="[ranking.prerequisites]")
    required = [_labels(value) for value in columns[name]]
    return Requirements(
        np.cumsum([0, *(len(ids) for ids in required)], dtype=np.int64),
        np.array([index.get(one, -1) for ids in required for one in ids], dtype=np.int64),
    )
