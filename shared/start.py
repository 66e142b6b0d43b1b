"""The first message of a round, and what binds everything after it.

Layout, little-endian: ``round i32 | attempt u16 | vector u8 | signature 64 | plan length u32 |
release length u32 | plan | release``. Statistics before the first round have numbers up to 0
(`shared.steps`). What the vector beside it is, the byte ``vector`` says: nothing, because the node
computes the model itself; the previous round's sum in the ring, with `release` as its tag; the
whole server state, for a node that missed a round; or the keyed hashes of the shared articles.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Final

from shared.distributed import with_shared_noise
from shared.models.parameters import Float32s
from shared.plan import MAX_PLAN_BYTES, TrainingPlan, suite_of
from shared.secagg import Session, SessionPolicy
from shared.secagg.bounds import largest_norm
from shared.wire import MessageFormatError

_HEAD: Final = struct.Struct("<iHB64sII")
MAX_RELEASE_BYTES: Final = 1 << 20
ADAM_NOISE: Final = 0.2
"""Noise in one step of a node's Adam, in learning rates, at least.

Where a gradient is mostly noise, its first moment has ``sqrt((1 - 0.9) / (1 + 0.9)) = 0.23`` times
the deviation that the root of its second moment divides by. Only accuracy hangs on it, not privacy.
"""


class Carried(IntEnum):
    """What the vector beside the start message is."""

    NOTHING = 0
    RING_SUM = 1
    STATE = 2
    ARTICLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStart:
    """Which round of which plan begins, and how the node gets the global model."""

    round: int
    attempt: int
    carried: Carried
    signature: bytes
    plan: bytes
    release: bytes = b""

    def encode(self) -> bytes:
        """Fixed layout."""
        head = _HEAD.pack(
            self.round,
            self.attempt,
            self.carried,
            self.signature,
            len(self.plan),
            len(self.release),
        )
        return head + self.plan + self.release

    @classmethod
    def decode(cls, data: bytes) -> RoundStart:
        """Parse; lengths are checked first and left-overs refused.

        Raises
        ------
        MessageFormatError
        """
        if len(data) < _HEAD.size:
            raise MessageFormatError(f"start message of {len(data)} bytes")
        number, attempt, carried, signature, plan, release = _HEAD.unpack_from(data)
        if plan > MAX_PLAN_BYTES or release > MAX_RELEASE_BYTES:
            raise MessageFormatError(f"start message with a plan of {plan} bytes")
        if len(data) != _HEAD.size + plan + release or carried not in set(Carried):
            raise MessageFormatError(f"start message of {len(data)} bytes does not add up")
        cut = _HEAD.size + plan
        return cls(
            round=number,
            attempt=attempt,
            carried=Carried(carried),
            signature=signature,
            plan=data[_HEAD.size : cut],
            release=data[cut:],
        )


@lru_cache(maxsize=16)
def session_policy(plan: TrainingPlan) -> SessionPolicy:
    """The secure-aggregation policy that a plan fixes."""
    terms = plan.aggregation
    policy = SessionPolicy(
        partners={p.id: bytes.fromhex(p.identity) for p in plan.partners},
        colluders=plan.colluders,
        length=plan.parameters,
        clip=terms.update_range,
        two_parties=len(plan.partners) == 2,
        suite=suite_of(terms.suite),
    )
    if plan.distributed:
        policy = with_shared_noise(plan, policy, terms.ring_bits)
    else:
        noise = ADAM_NOISE * _smallest_rate(plan) if plan.privacy is not None else 0.0
        policy = replace(policy, ring_bits=terms.ring_bits, noise_std=noise)
    return replace(policy, norm_bound=largest_norm(policy, terms.update_norm))


def _smallest_rate(plan: TrainingPlan) -> float:
    """Of the learning rates of the models of a plan."""
    return min(local.learning_rate for local in plan.local_steps)


def session(plan: TrainingPlan, number: int, attempt: int, model: Float32s) -> Session:
    """The secure-aggregation session of one attempt at one round."""
    return Session(
        run_id=bytes.fromhex(plan.run_id),
        round=number,
        attempt=attempt,
        plan_hash=plan.digest(),
        model_hash=plan.parameter_schema.digest(model),
    )
