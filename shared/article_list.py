"""What a partner hands to the coordinator so that shared articles can be found."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Final

from shared.documents import DocumentError, SignedDocument
from shared.plan import HexKey
from shared.statistics import ARTICLE_BYTES

MAX_ARTICLES: Final = 2_000_000


class ArticleList(SignedDocument):
    """Keyed hashes of one partner's articles, signed by its identity.

    The key is common to the partners and unknown to the coordinator, which learns from such lists
    how many articles each partner has and how many any of them have in common, but not which.
    """

    max_bytes: ClassVar[int] = 48 << 20
    identity: HexKey
    """The partner's long-term Ed25519 key."""
    hashes: str
    """Different hashes of 16 bytes, sorted, one after the other; Base64."""

    @staticmethod
    def packed(articles: Sequence[bytes]) -> str:
        """Hashes as `hashes` holds them."""
        return base64.b64encode(b"".join(articles)).decode()

    def articles(self) -> tuple[bytes, ...]:
        """The hashes.

        Raises
        ------
        DocumentError
            They are not whole, not sorted, repeated, or too many.
        """
        try:
            data = base64.b64decode(self.hashes, validate=True)
        except binascii.Error as error:
            raise DocumentError("the list of articles is not Base64") from error
        size = ARTICLE_BYTES
        found = tuple(data[at : at + size] for at in range(0, len(data), size))
        if len(data) % size or len(found) > MAX_ARTICLES:
            raise DocumentError(f"{len(data)} bytes are no list of articles")
        if any(one >= other for one, other in pairwise(found)):
            raise DocumentError("the list of articles is not sorted, or repeats one")
        return found
