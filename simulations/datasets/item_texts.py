"""Titles, categories and descriptions of generated items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.contract import CATEGORIES, DESCRIPTION, ITEM, TITLE
from simulations.datasets.vocabulary import Vocabulary

BRANDS: Final = 12
_ONSETS: Final = ("b", "br", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "z")
_VOWELS: Final = ("a", "e", "i", "o", "u", "au", "ei", "io")


def write_items(
    platform: str, cells: NDArray[np.int64], words: Vocabulary, generator: np.random.Generator
) -> pa.Table:
    """A table of items with texts out of `words`.

    Parameters
    ----------
    platform
        The platform's name, which begins the item ids.
    cells
        (N,) topic and part of each item, as an index into ``words.cells()``.
    words
        The field's vocabulary.
    generator
        Source of chance; brands differ from platform to platform.
    """
    brands = _brands(generator)
    names = words.cells()
    rows = [
        _texts(names[cell], choice, words, brands)
        for cell, choice in zip(cells, generator.integers(2**32, size=(len(cells), 7)), strict=True)
    ]
    titles, categories, descriptions = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            ITEM: [f"{platform}-{number:06d}" for number in range(len(cells))],
            TITLE: titles,
            CATEGORIES: categories,
            DESCRIPTION: descriptions,
        }
    )


def _texts(
    cell: tuple[str, str], choice: NDArray[np.int64], words: Vocabulary, brands: list[str]
) -> tuple[str, str, str]:
    topic, part = cell
    draws: Iterator[int] = iter(choice.tolist())

    def one_of(options: list[str]) -> str:
        return options[next(draws) % len(options)]

    parts = {
        "noun": one_of(words.topics[topic].parts[part]),
        "use": one_of(words.topics[topic].uses),
        "adjective": one_of(words.adjectives),
        "variant": one_of(words.variants),
        "brand": one_of(brands),
        "part": part.lower(),
    }
    title = one_of(words.titles).format_map(parts)
    description = one_of(words.descriptions).format_map(parts)
    return _sentence(title), f"{topic} | {part}", _sentence(description)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _brands(generator: np.random.Generator) -> list[str]:
    """Names that mean nothing."""
    syllables = [onset + vowel for onset in _ONSETS for vowel in _VOWELS]
    return ["".join(generator.choice(syllables, 2)).capitalize() for _ in range(BRANDS)]
