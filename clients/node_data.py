"""What a node trains on, as one file: histories and item vectors, no ids of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from clients.articles import Hashes
from clients.data.dataset import Histories
from shared.errors import DataError
from shared.files import write_atomically
from shared.privacy.banded import lots_of


class TrainingFileError(DataError):
    """The node's training file is missing or damaged."""

    code = "DATA-080"
    default_remedy = "prepare the node's data again"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A platform's training part.

    Attributes
    ----------
    histories
        Training part of the histories.
    vectors
        (N, d) float32 item vectors in the shared item space.
    lots
        (U,) a number of each user alone: who takes turns with whom under banded noise.
    hashes
        (N, 16) keyed hash of each item's public id; None at a node that compares no articles.
    """

    histories: Histories
    vectors: NDArray[np.float32]
    lots: NDArray[np.uint16]
    hashes: Hashes | None = None

    @classmethod
    def of(
        cls, histories: Histories, vectors: NDArray[np.float32], hashes: Hashes | None = None
    ) -> TrainingData:
        """From histories that still carry their users' pseudonyms."""
        lots = lots_of(histories.users)
        return cls(histories=histories, vectors=vectors, lots=lots, hashes=hashes)

    def save(self, path: Path) -> None:
        """Write atomically, readable by the owner alone."""
        parts = self.histories
        tensors: dict[str, NDArray[Any]] = {
            "offsets": parts.offsets,
            "items": parts.items,
            "events": parts.events,
            "times": parts.times,
            "vectors": self.vectors,
            "lots": self.lots,
        }
        if self.hashes is not None:
            tensors[_HASHES] = self.hashes
        data = save(
            {name: np.ascontiguousarray(t) for name, t in tensors.items()},
            metadata={"ordinal": str(int(parts.ordinal))},
        )
        write_atomically(path, data, private=True)

    @classmethod
    def load(cls, path: Path) -> TrainingData:
        """Read what `save` wrote.

        Raises
        ------
        TrainingFileError
        """
        try:
            with safe_open(path, framework="numpy") as file:
                ordinal = (file.metadata() or {})["ordinal"] == "1"
                tensors = {name: file.get_tensor(name) for name in _NAMES}
                known = _HASHES in file.keys()  # noqa: SIM118
                hashes = file.get_tensor(_HASHES) if known else None
        except (OSError, KeyError, SafetensorError) as error:
            raise TrainingFileError(str(error), where=str(path)) from error
        vectors, lots = tensors.pop("vectors"), tensors.pop("lots")
        users = ("",) * (len(tensors["offsets"]) - 1)  # training needs no names
        histories = Histories(users=users, ordinal=ordinal, **tensors)
        return cls(histories=histories, vectors=vectors, lots=lots, hashes=hashes)


_HASHES = "hashes"
_NAMES = ("offsets", "items", "events", "times", "vectors", "lots")
