"""Item vectors on disk, so that a catalogue is encoded once.

A cache is a folder with one subfolder per encoder fingerprint. Each holds shards: safetensors
files with ``keys`` (n, 32) uint8, the sha256 of each text, and ``vectors`` (n, d) float32. Shards
are only ever added, each written beside its place and moved into it, so that an interruption loses
at most the texts under way and two processes can fill the same cache.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shared.models.encoders.base import Float32s, TextEncoder
from shared.models.encoders.errors import DamagedCacheError

Progress = Callable[[int, int], None]
"""Called with (different texts done, different texts in all)."""

SHARD_TEXTS: Final = 2048


class EncodingCache:
    """Encodes texts with `encoder`, remembering results under `folder`.

    Raises
    ------
    DamagedCacheError
        A shard under `folder` cannot be read or does not fit the encoder.
    """

    def __init__(self, encoder: TextEncoder, folder: Path) -> None:
        self._encoder = encoder
        self._folder = folder / encoder.fingerprint
        self._known: dict[bytes, Float32s] = {}
        for path in sorted(self._folder.glob("*.safetensors")):
            self._known.update(_read_shard(path, encoder.dim))

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Float32s:
        """Encode N texts as (N, d) float32, from disk where they were encoded before."""
        keys = [sha256(text.encode()).digest() for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        missing = {key: text for key, text in wanted.items() if key not in self._known}
        done = len(wanted) - len(missing)
        for part in _parts(list(missing.items())):
            self._add(part)
            done += len(part)
            if progress is not None:
                progress(done, len(wanted))
        vectors = np.zeros((len(texts), self._encoder.dim), dtype=np.float32)
        for row, key in enumerate(keys):
            vectors[row] = self._known[key]
        return vectors

    def _add(self, part: list[tuple[bytes, str]]) -> None:
        keys = [key for key, _ in part]
        vectors = self._encoder.encode([text for _, text in part])
        self._folder.mkdir(parents=True, exist_ok=True)
        _write_shard(self._folder, keys, vectors)
        self._known.update(zip(keys, vectors, strict=True))


def _parts(pairs: list[tuple[bytes, str]]) -> Iterator[list[tuple[bytes, str]]]:
    for start in range(0, len(pairs), SHARD_TEXTS):
        yield pairs[start : start + SHARD_TEXTS]


def _write_shard(folder: Path, keys: list[bytes], vectors: Float32s) -> None:
    table: NDArray[np.uint8] = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32)
    target = folder / f"{sha256(table.tobytes()).hexdigest()[:32]}.safetensors"
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    save_file({"keys": table, "vectors": np.ascontiguousarray(vectors)}, temporary)
    os.replace(temporary, target)


def _read_shard(path: Path, dim: int) -> dict[bytes, Float32s]:
    remedy = f"delete {path}; it will be made again"
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DamagedCacheError(str(error), where=str(path), remedy=remedy) from error
    keys, vectors = tensors.get("keys"), tensors.get("vectors")
    if keys is None or vectors is None or vectors.shape != (len(keys), dim):
        raise DamagedCacheError("keys and vectors do not fit", where=str(path), remedy=remedy)
    return {bytes(key): vector for key, vector in zip(keys, vectors, strict=True)}
