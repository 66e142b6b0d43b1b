"""Stage 3 of a node: an update becomes ring elements, gets its tag, and is masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.secagg import keys, tags
from shared.secagg.audit import AuditSecrets, update_commitment
from shared.secagg.codec import Kind, bitmap, sign
from shared.secagg.cohort import Cohort
from shared.secagg.dealing import Opened
from shared.secagg.errors import UploadError
from shared.secagg.fixed_point import check_update, quantise, ring_dtype
from shared.secagg.hashing import vector_digest
from shared.secagg.masks import Ring, StreamKeys, add_masks, stream_keys
from shared.secagg.node.opening import Surviving
from shared.secagg.node.seat import Seat, Stage, Upload
from shared.secagg.noise import add_noise
from shared.secagg.records import UploadHeader
from shared.secagg.words import WordBlock, add_word_masks, check_words


class Masking(Stage):
    """Stage 3: holds shares of every sharer, ready to mask."""

    def __init__(
        self, seat: Seat, cohort: Cohort, secrets: keys.SessionSecrets, held: Mapping[int, Opened]
    ) -> None:
        super().__init__()
        self._seat, self._cohort, self._secrets, self._held = seat, cohort, secrets, held
        self._rho = tags.joint_secret(
            cohort.context, {dealer: share.tag_part for dealer, share in held.items()}
        )

    def mask(
        self,
        update: NDArray[Any],
        words: Sequence[int] = (),
        *,
        out: Ring | None = None,
        threads: int = 1,
        noise_key: bytes | None = None,
    ) -> tuple[Surviving, Upload]:
        """Quantise and mask an update.

        Parameters
        ----------
        update
            (d,) float32 or float64; clipped to the policy's range.
        words
            One integer for each of the policy's words.
        out
            (d,) ring array to write to, allocated if None. With a 32-bit ring and a float32 update,
            ``update.view("<u4")`` masks in place.
        threads
            Coordinate ranges masked at the same time.
        noise_key
            32 secret bytes that `share_noise` is drawn from, the same in every attempt at sending
            this update, so that attempts cannot be averaged; drawn for this attempt if None.

        Raises
        ------
        UnusableUpdateError, WordRangeError
            Before anything is written.
        """
        self._check_unspent()
        policy = self._seat.policy
        check_update(update, policy.length)
        check_words(words, policy)
        vector = np.empty(policy.length, ring_dtype(policy.ring_bits)) if out is None else out
        if vector.dtype != ring_dtype(policy.ring_bits) or vector.shape != (policy.length,):
            raise UploadError(f"out is {vector.dtype}{vector.shape}")
        quantise(update, clip=policy.clip, limit=policy.limit, bits=policy.ring_bits, out=vector)
        if policy.share_noise:
            add_noise(vector, noise_key or self._own_secrets().noise_key(), policy)
        commitment = self._commitment(vector, words)
        block = self._tagged(vector, words)
        masked = self._mask(vector, block, threads)
        header = UploadHeader(
            bitmap(policy, self._held), vector_digest(vector), commitment, masked.encode()
        )
        raw = sign(self._seat.identity, Kind.UPLOAD, policy, self._cohort.context, header.encode())
        self._spend()
        return self.uploaded(), Upload(header=raw, vector=vector)

    def uploaded(self) -> Surviving:
        """The next stage without masking again, for a process that restarts after its upload."""
        return Surviving(self._seat, self._cohort, self._held, self._rho)

    def renewed(self) -> Masking:
        """The same stage unspent, to send the same upload again."""
        return Masking(self._seat, self._cohort, self._secrets, self._held)

    def audit_secrets(self) -> AuditSecrets:
        """What opens the upload to an auditor, together with the quantised update."""
        plus, minus = self._streams()
        salt = self._own_secrets().audit_salt()
        return AuditSecrets(salt=salt, plus=tuple(plus), minus=tuple(minus))

    def _own_secrets(self) -> keys.CohortSecrets:
        return keys.CohortSecrets(self._seat.root, self._cohort.context)

    def _commitment(self, vector: Ring, words: Sequence[int]) -> bytes:
        if not self._seat.policy.audited:
            return bytes(32)
        return update_commitment(self._own_secrets().audit_salt(), words, vector)

    def _tagged(self, vector: Ring, words: Sequence[int]) -> WordBlock:
        policy = self._seat.policy
        block = tags.tag(vector, words, self._rho, policy)
        return block.plus(tags.pads([self._seat.identity.partner], self._rho, policy))

    def _mask(self, vector: Ring, block: WordBlock, threads: int) -> WordBlock:
        plus, minus = self._streams()
        policy = self._seat.policy
        add_masks(
            vector,
            [key for key, _ in plus],
            [key for key, _ in minus],
            suite=policy.suite,
            threads=threads,
        )
        return add_word_masks(block, policy, [key for _, key in plus], [key for _, key in minus])

    def _streams(self) -> tuple[list[StreamKeys], list[StreamKeys]]:
        """Stream keys to add and to subtract: y = q + self + Σ_{v>u} pair - Σ_{v<u} pair."""
        me, context = self._seat.identity.partner, self._cohort.context
        secret = self._own_secrets().self_secret()
        plus = [stream_keys(keys.self_seed(secret, context))]
        minus: list[StreamKeys] = []
        mask_key = self._secrets.mask_secret().agreement_key()
        for peer, share in self._held.items():
            if peer == me:
                continue
            agreed = keys.exchange(mask_key, self._cohort.adverts[peer].mask_key, peer)
            seed = keys.pair_seed(agreed + share.kem_secret, context, me, peer)
            (plus if peer > me else minus).append(stream_keys(seed))
        return plus, minus
