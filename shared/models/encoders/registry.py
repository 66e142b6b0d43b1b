"""Text encoders by name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

from shared.models.encoders.base import TextEncoder
from shared.models.encoders.errors import EncoderHashError, UnknownEncoderError
from shared.models.encoders.hashed_words import HashedWords
from shared.models.encoders.use_multilingual import UseMultilingual

DEFAULT_ENCODER: Final = UseMultilingual.name

_FACTORIES: Final[dict[str, Callable[[], TextEncoder]]] = {
    UseMultilingual.name: UseMultilingual,
    HashedWords.name: HashedWords,
}


def encoder_names() -> tuple[str, ...]:
    """Names that `load_encoder` knows."""
    return tuple(_FACTORIES)


def load_encoder(name: str = DEFAULT_ENCODER, *, fingerprint: str | None = None) -> TextEncoder:
    """Load the encoder called `name`, its weights checked.

    Parameters
    ----------
    fingerprint
        What the plan demands; None accepts the installed one.

    Raises
    ------
    UnknownEncoderError
        No encoder has this name.
    MissingEncoderError
        Its package is not installed.
    EncoderHashError
        Its weights are not the pinned ones, or its fingerprint not the one demanded.
    """
    factory = _FACTORIES.get(name)
    if factory is None:
        near = get_close_matches(name, _FACTORIES, n=1, cutoff=0.0)
        problem = f"there is no text encoder {name!r}"
        raise UnknownEncoderError(problem, remedy=f"did you mean {near[0]!r}?")
    encoder = factory()
    if fingerprint is not None and encoder.fingerprint != fingerprint:
        problem = f"encoder {name!r} has fingerprint {encoder.fingerprint}, not {fingerprint}"
        raise EncoderHashError(problem)
    return encoder
