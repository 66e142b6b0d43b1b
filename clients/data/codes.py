"""Texts as numbers: what repeats in millions of rows is cleaned, keyed and stored once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clients.data.dataset import Int32s
from clients.data.pseudonyms import PSEUDONYM_BYTES, PseudonymKey

MOST_KNOWN: Final = 2_000_000
"""Texts that are remembered; beyond, all are forgotten and get new numbers when they come again."""

Names = list[tuple[int, pa.Array]]
Meaning = Callable[[pa.Array], pa.Array]


class Codes:
    """Numbers texts in order of their first appearance.

    One meaning can have several numbers: different texts can mean the same, and a forgotten text
    is numbered again. Whoever reads the names joins the numbers by what they mean.

    Parameters
    ----------
    meaning
        Distinct new texts → what is handed on in their place; the texts themselves if not given.
    """

    def __init__(self, meaning: Meaning = lambda texts: texts) -> None:
        self._meaning = meaning
        self._known: pa.Array = pa.array([], pa.string())
        self._first = 0
        self._fresh: Names = []

    def encode(self, texts: pa.Array) -> Int32s:
        """(B,) numbers of B texts; no text counts as the empty one."""
        if len(self._known) > MOST_KNOWN:
            self._first += len(self._known)
            self._known = self._known[:0]
        before = len(self._known)
        # Both pieces share one table of hashes, so a text that is known keeps its number.
        both = pa.chunked_array([self._known, texts.fill_null("")]).dictionary_encode()
        last = both.chunk(both.num_chunks - 1)
        self._known = last.dictionary
        if len(self._known) > before:
            self._fresh.append((self._first + before, self._meaning(self._known[before:])))
        return np.asarray(last.indices.to_numpy() + np.int32(self._first), dtype=np.int32)

    def names(self) -> Names:
        """What the numbers mean that are new since the last call: (first number, meanings)."""
        fresh, self._fresh = self._fresh, []
        return fresh


class Pseudonyms:
    """The meaning of raw user ids: their pseudonyms.

    Attributes
    ----------
    lengths
        Characters of each cleaned id, by number.
    """

    def __init__(self, key: PseudonymKey) -> None:
        self._key = key
        self.lengths: NDArray[np.int32] = np.empty(0, np.int32)

    def __call__(self, texts: pa.Array) -> pa.Array:
        """(D,) pseudonyms of D raw ids that are numbered next."""
        clean = normal_ids(texts)
        self.lengths = np.concatenate([self.lengths, pc.utf8_length(clean).to_numpy()])
        digests = self._key.digests(clean.cast(pa.binary()).to_pylist())
        return pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array(digests, pa.binary(PSEUDONYM_BYTES))
        )


def normal_ids(texts: pa.Array) -> pa.Array:
    """Ids in Unicode's composed form without surrounding white space, so that equal ids match."""
    if not pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        texts = pc.utf8_normalize(texts, form="NFC")
    return pc.utf8_trim_whitespace(texts)


def normal_id(text: str) -> str:
    """One id in the form in which ids are compared; lone surrogates become replacement marks."""
    clean = text.encode("utf-8", "replace").decode()
    return str(normal_ids(pa.array([clean], pa.string()))[0].as_py())
