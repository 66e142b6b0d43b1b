"""Our client and coordinator steps, through the real stages."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.secagg import (
    CollectingAdverts,
    Identity,
    Masking,
    MemoryLockStore,
    Participant,
    Requirements,
    Session,
    SessionPolicy,
)
from shared.secagg.bounds import check_sum
from shared.secagg.fixed_point import dequantise, quantise, ring_dtype
from shared.secagg.hashing import vector_digest
from shared.secagg.masks import add_masks
from shared.secagg.records import (
    SURVIVORS_BYTES,
    advert_bytes,
    record_bytes,
    reveal_bytes,
    share_bytes,
    upload_bytes,
)

CLIP = 8.0
"""Flower's default clipping range, used for both."""
SESSION = Session(run_id=bytes(16), round=0, attempt=0, plan_hash=bytes(32), model_hash=bytes(32))


class Ours:
    """One partner of n at the moment of masking, and the coordinator's work on d coordinates."""

    def __init__(self, n: int, d: int, bits: int) -> None:
        identities = {i: Identity.generate(i) for i in range(1, n + 1)}
        self.policy = SessionPolicy(
            partners={i: identity.public_bytes for i, identity in identities.items()},
            colluders=(n - 1) // 3,
            length=d,
            clip=CLIP,
            ring_bits=bits,
            noise_std=CLIP if bits == 16 else 0.0,
            word_limits=(1_000_000,),
        )
        self.n, self.d, self.bits = n, d, bits
        self._masking = _masking(self.policy, identities)
        self._out = np.empty(d, ring_dtype(bits))
        self._keys = [os.urandom(32) for _ in range(n)]

    def client(self, update: NDArray[np.float32]) -> Callable[[], object]:
        """The whole upload step: checks, quantisation, tags, keys, masks, hash, signature."""
        return lambda: self._masking.renewed().mask(update, (100,), out=self._out)

    def encode(self, update: NDArray[np.float32]) -> Callable[[], object]:
        """Quantisation and masks alone: the part that Flower's functions cover."""

        def step() -> None:
            rules = self.policy
            quantise(update, clip=CLIP, limit=rules.limit, bits=self.bits, out=self._out)
            add_masks(self._out, self._keys[::2], self._keys[1::2])

        return step

    def add_upload(self) -> Callable[[], object]:
        """Adding one upload."""
        total = np.zeros_like(self._out)
        return lambda: np.add(total, self._out, out=total)

    def check_upload(self) -> Callable[[], object]:
        """Checking one upload against its signed digest."""
        return lambda: vector_digest(self._out)

    def unmask(self, streams: int) -> Callable[[], object]:
        """Taking `streams` masks off the sum."""
        keys = [os.urandom(32) for _ in range(streams)]
        return lambda: add_masks(self._out, (), keys)

    def finish(self) -> Callable[[], object]:
        """Decoding of the sum."""
        total = np.zeros_like(self._out)
        return lambda: dequantise(total, clip=CLIP, limit=self.policy.limit, dtype=np.float32)

    def check_sum(self) -> Callable[[], object]:
        """Bounds of the sum."""
        total = np.zeros_like(self._out)
        return lambda: check_sum(total, (0,), self.n, self.policy)

    def streams(self, dropped: int) -> int:
        """Masks that the coordinator takes off: survivors' own, and dropped-survivor pairs."""
        alive = self.n - dropped
        return alive + dropped * alive

    def upload_bytes(self) -> int:
        """Bytes that one node sends in a round, control messages included."""
        rules = self.policy
        records = (
            advert_bytes(rules),
            upload_bytes(rules),
            SURVIVORS_BYTES,
            reveal_bytes(self.n),
        )
        shares = 2 + self.n * record_bytes(share_bytes(rules))
        return rules.vector_bytes + shares + sum(record_bytes(size) for size in records)


def _masking(policy: SessionPolicy, identities: dict[int, Identity]) -> Masking:
    """Partner 1 after all shares were dealt, by a real session."""
    demands = Requirements(pinned=policy.partners, max_length=1 << 31)
    nodes = {
        i: Participant(
            policy=policy,
            session=SESSION,
            identity=identity,
            requirements=demands,
            lock_store=MemoryLockStore(),
        )
        for i, identity in identities.items()
    }
    adverts = CollectingAdverts(policy, SESSION)
    for i, node in nodes.items():
        adverts.receive(i, node.advertise())
    (shares,), roster = adverts.close()
    for i, node in nodes.items():
        shares.receive(i, node.share(roster[i]))
    _, envelopes = shares.close()
    nodes[1].accept(envelopes[1])
    stage: Any = nodes[1]._stage
    if not isinstance(stage, Masking):
        raise TypeError(f"expected the masking stage, found {stage}")
    return stage
