"""Rebuilding secrets from revealed shares, and the masks to take off a sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from itertools import combinations, islice
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from shared.secagg import keys, shamir
from shared.secagg.cohort import Cohort
from shared.secagg.dealing import NONCE
from shared.secagg.errors import InconsistentDealerError
from shared.secagg.masks import StreamKeys, stream_keys
from shared.secagg.records import HASH_BYTES, Envelope

_TRIES: Final = 64
"""Subsets of holders tried before a dealer is called inconsistent."""


class Dealt(Protocol):
    """The part of a dealer's message that unmasking reads."""

    @property
    def envelopes(self) -> Mapping[int, Envelope]:
        """Envelope by holder."""

    @property
    def wrap(self) -> bytes:
        """Wrapped ML-KEM secrets, empty outside the hybrid."""


class SecretKind(Enum):
    """Which of a dealer's two secrets is opened; never both."""

    SELF = "self"
    MASK = "mask"

    def matches(self, share: bytes, envelope: Envelope, cohort: Cohort, dealer: int) -> bool:
        """Whether a revealed share is the one that the dealer committed to."""
        expected = envelope.self_hash if self is SecretKind.SELF else envelope.mask_hash
        context, holder = cohort.context, envelope.holder
        found = keys.share_commitment(self.value, share, context, dealer, holder)
        return found == expected and shamir.decode(share) is not None

    def confirms(self, secret: int, envelope: Envelope, cohort: Cohort, dealer: int) -> bool:
        """Whether a rebuilt secret is the dealer's."""
        if self is SecretKind.SELF:
            found = keys.secret_commitment(secret, cohort.context, dealer)
            return found == envelope.secret_hash
        public = keys.MaskSecret(secret).agreement_key().public_key().public_bytes_raw()
        return public == cohort.adverts[dealer].mask_key


def reconstruct(
    kind: SecretKind, shares: Mapping[int, bytes], cohort: Cohort, dealer: int, envelope: Envelope
) -> int:
    """Secret of a dealer from at least t shares that match their commitments.

    A dealer can commit to shares that lie on no polynomial, so the result is checked, and other
    holders are tried before the dealer is named.

    Raises
    ------
    InconsistentDealerError
        No tried subset gives the committed secret.
    """
    values = {holder: int.from_bytes(share, "little") for holder, share in shares.items()}
    for points in islice(_subsets(tuple(sorted(values)), cohort.threshold), _TRIES):
        secret = shamir.combine({x: values[x] for x in points}, _weights(points))
        if kind.confirms(secret, envelope, cohort, dealer):
            return secret
    raise InconsistentDealerError(
        f"partner {dealer} dealt shares that lie on no polynomial", partner=dealer
    )


def mask_streams(
    cohort: Cohort,
    secrets: Mapping[int, int],
    survivors: tuple[int, ...],
    dealt: Mapping[int, Dealt],
) -> tuple[list[StreamKeys], list[StreamKeys]]:
    """Stream keys to add to and to subtract from a masked sum.

    Self-masks of survivors come off; of every dropped sharer, the pairwise masks that survivors
    have applied for it.
    """
    plus: list[StreamKeys] = []
    minus = [stream_keys(keys.self_seed(secrets[i], cohort.context)) for i in survivors]
    for dropped in sorted(set(secrets) - set(survivors)):
        for survivor, seed in _pair_seeds(cohort, secrets[dropped], dropped, survivors, dealt):
            (minus if survivor < dropped else plus).append(stream_keys(seed))
    return plus, minus


def _subsets(holders: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    """Subsets of `size`, the ones that leave out each single holder among the first."""
    spread = (holders[start:] + holders[:start] for start in range(len(holders)))
    seen = set()
    for rotated in spread:
        chosen = tuple(sorted(rotated[:size]))
        if chosen not in seen:
            seen.add(chosen)
            yield chosen
    yield from combinations(holders, size)


@lru_cache(maxsize=256)
def _weights(points: tuple[int, ...]) -> list[int]:
    return shamir.weights(points)


def _pair_seeds(
    cohort: Cohort,
    secret: int,
    dropped: int,
    survivors: tuple[int, ...],
    dealt: Mapping[int, Dealt],
) -> Iterator[tuple[int, bytes]]:
    mask = keys.MaskSecret(secret)
    key = mask.agreement_key()
    kem_secrets = _kem_secrets(cohort, mask, dropped, survivors, dealt)
    for survivor in survivors:
        agreed = keys.exchange(key, cohort.adverts[survivor].mask_key, survivor)
        both = agreed + kem_secrets.get(survivor, b"")
        yield survivor, keys.pair_seed(both, cohort.context, dropped, survivor)


def _kem_secrets(
    cohort: Cohort,
    mask: keys.MaskSecret,
    dropped: int,
    survivors: tuple[int, ...],
    dealt: Mapping[int, Dealt],
) -> dict[int, bytes]:
    """Both directions' ML-KEM mask secrets of a dropped partner and each survivor (hybrid)."""
    if not cohort.policy.suite.hybrid:
        return {}
    sent = _unwrap(cohort, mask, dropped, dealt[dropped])
    key = mask.kem_key()
    result = {}
    for survivor in survivors:
        received = key.decapsulate(dealt[survivor].envelopes[dropped].mask_ciphertext)
        low_first = dropped < survivor
        result[survivor] = sent[survivor] + received if low_first else received + sent[survivor]
    return result


def _unwrap(cohort: Cohort, mask: keys.MaskSecret, dropped: int, dealt: Dealt) -> dict[int, bytes]:
    cipher = ChaCha20Poly1305(mask.wrap_key(cohort.context))
    others = [member for member in cohort.members if member != dropped]
    try:
        plain = cipher.decrypt(NONCE, dealt.wrap, cohort.context)
    except InvalidTag as error:
        raise _bad_wrap(dropped) from error
    cut = [plain[at : at + HASH_BYTES] for at in range(0, len(plain), HASH_BYTES)]
    sent = dict(zip(others, cut, strict=True))
    for holder, secret in sent.items():
        found = keys.kem_commitment(secret, cohort.context, dropped, holder)
        if found != dealt.envelopes[holder].kem_hash:
            raise _bad_wrap(dropped)
    return sent


def _bad_wrap(dropped: int) -> InconsistentDealerError:
    return InconsistentDealerError(
        f"partner {dropped} wrapped other ML-KEM secrets than it sent", partner=dropped
    )
