"""Pseudonym keys of the lab, derived from a public seed so that runs can be repeated.

Anyone can compute them: they give separate pseudonyms to each platform, and no protection at all.
A node makes its key with `PseudonymKey.generate`.
"""

from __future__ import annotations

import hmac
from typing import Final

from clients.data.pseudonyms import PseudonymKey

_LAB: Final = b"isthmus lab: public keys, for research only"


def lab_key(seed: int, platform: str) -> PseudonymKey:
    """The key of `platform` in a run with `seed`; for research only."""
    return PseudonymKey(hmac.digest(_LAB, f"{seed}/{platform}".encode(), "sha256"))
