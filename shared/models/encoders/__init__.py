"""Text encoders: frozen, pinned by hash, the same at every node."""

from shared.models.encoders.base import TextEncoder
from shared.models.encoders.cache import EncodingCache
from shared.models.encoders.registry import DEFAULT_ENCODER, encoder_names, load_encoder

__all__ = ["DEFAULT_ENCODER", "EncodingCache", "TextEncoder", "encoder_names", "load_encoder"]
