"""Data for the examples: ``python -m examples.generate FIELD FOLDER``.

Writes ``events.csv`` and ``items.csv`` of one generated platform, with the columns that make the
field special: price and stock (e-commerce), format (social media), level and prerequisites
(education), risk class (finance). Texts and behaviour come from `simulations.datasets.generated`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from shared.contract import CATEGORIES, ITEM
from simulations.datasets.generated import GeneratorSettings, generate
from simulations.datasets.joint import PLATFORM
from simulations.datasets.vocabulary import Field

USERS, ITEMS = 300, 240
LEVELS: Final = ("beginner", "intermediate", "advanced")
FORMATS: Final = ("video", "photo", "text", "live")
RISK: Final[dict[str, int]] = {
    "Index funds": 4,
    "Bond funds": 3,
    "Mixed funds": 4,
    "Theme funds": 6,
    "Shares": 6,
    "Derivatives": 7,
    "Currencies": 7,
    "Trading tools": 5,
    "Property funds": 4,
    "Coins": 7,
    "Crypto products": 7,
    "Custody": 5,
    "Gold saving": 4,
    "Pension saving": 3,
}
"""Risk class of a product by category, 1 (lowest) to 7 as in European key information documents;
what is not listed is 1."""

Columns = dict[str, pa.Array]


def platform_tables(
    field: Field, *, users: int, items: int, seed: int
) -> tuple[pa.Table, pa.Table]:
    """Events and items of one platform, the field's own columns included."""
    settings = GeneratorSettings(field=field, users=(users,), items=(items,), seed=seed)
    generated = generate(settings)
    table = generated.items.drop_columns([PLATFORM])
    for name, column in _SPECIAL[field](table, np.random.default_rng(seed)).items():
        table = table.append_column(name, column)
    return generated.events.drop_columns([PLATFORM]), table


def write_platform(
    field: Field, folder: Path, *, users: int = USERS, items: int = ITEMS, seed: int = 0
) -> None:
    """Write ``events.csv`` and ``items.csv`` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    events, catalogue = platform_tables(field, users=users, items=items, seed=seed)
    arrow_csv.write_csv(events, folder / "events.csv")
    arrow_csv.write_csv(catalogue, folder / "items.csv")


def _shop(items: pa.Table, generator: np.random.Generator) -> Columns:
    """Prices about 30, and stock; one item in ten is sold out."""
    prices = np.round(np.exp(generator.normal(3.4, 0.7, len(items))), 2)
    stock = generator.poisson(20, len(items)) * (generator.random(len(items)) > 0.1)
    return {"price": pa.array(prices), "stock": pa.array(stock)}


def _social(items: pa.Table, generator: np.random.Generator) -> Columns:
    """The format of each post."""
    return {"format": pa.array(FORMATS).take(pa.array(generator.integers(4, size=len(items))))}


def _courses(items: pa.Table, generator: np.random.Generator) -> Columns:
    """A level for each course; all but beginners' need one of the level below in their subject."""
    levels = generator.integers(3, size=len(items)).tolist()
    ids, subjects = items.column(ITEM).to_pylist(), items.column(CATEGORIES).to_pylist()
    shelf: dict[tuple[str, int], list[str]] = defaultdict(list)
    for item_id, subject, level in zip(ids, subjects, levels, strict=True):
        shelf[subject, level].append(item_id)
    needs = [
        (shelf[subject, level - 1] or [""])[0] if level else ""
        for subject, level in zip(subjects, levels, strict=True)
    ]
    return {"level": pa.array([LEVELS[level] for level in levels]), "requires": pa.array(needs)}


def _products(items: pa.Table, generator: np.random.Generator) -> Columns:
    """The risk class of each product's category."""
    parts = [text.split("|")[-1].strip() for text in items.column(CATEGORIES).to_pylist()]
    return {"risk_class": pa.array([RISK.get(part, 1) for part in parts])}


_SPECIAL: Final[dict[Field, Callable[[pa.Table, np.random.Generator], Columns]]] = {
    "ecommerce": _shop,
    "social": _social,
    "education": _courses,
    "finance": _products,
}


def main() -> None:
    """Write one platform."""
    parser = argparse.ArgumentParser(prog="examples.generate", description=__doc__)
    parser.add_argument("field", choices=list(_SPECIAL))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_platform(
        options.field, options.folder, users=options.users, items=options.items, seed=options.seed
    )


if __name__ == "__main__":
    main()
