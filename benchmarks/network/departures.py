"""What may leave a node: codes, opaque bytes, and masked vectors that were charged before."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from flwr.app import Message
from numpy.typing import NDArray

from shared.plan import TrainingPlan
from shared.secagg.fixed_point import bound, dequantise
from shared.steps import release_at, step_policy
from shared.wire import MASK, Parcel

CODE: Final = re.compile(r"[A-Z]+-\d{3}")
NEAR: Final = 10.0
"""Standard deviations of a node's share of noise; rounding where it adds none."""
ROUNDING: Final = 1e-3
Float32s = NDArray[np.float32]


def problem_of(
    reply: Message, plan: TrainingPlan, step: int, kept: Float32s | None, *, charged: bool
) -> str:
    """What must not be in a node's reply of `step`, in words; empty if nothing is.

    Parameters
    ----------
    kept
        The node's own vector of this step, if it has one.
    charged
        Whether the node's ledger says that it leaves.
    """
    if reply.has_error():
        return "" if CODE.fullmatch(reply.error.reason or "") else "a refusal says more than a code"
    parcel, masks = Parcel.from_record(reply.content), reply.metadata.message_type == MASK
    if kept is not None and any(
        kept.astype(kind).tobytes() in parcel.body for kind in ("<f4", "<f8")
    ):
        return "the body holds its vector"
    if parcel.vector is None:
        return ""
    if not masks:
        return "a vector left in another stage than that of masked ones"
    if not charged:
        return "a vector left that was not charged"
    return "its vector left unmasked" if _near(parcel.vector, plan, step, kept) else ""


def _near(vector: NDArray[Any], plan: TrainingPlan, step: int, kept: Float32s | None) -> bool:
    """Whether statistics in `vector` can be read: masked ones are anywhere in the ring."""
    if kept is None or release_at(plan, step) is None:
        return False
    policy = step_policy(plan, step)
    bits = 8 * vector.itemsize
    limit = bound(len(policy.partners), bits)
    told = dequantise(vector[: len(kept)].copy(), clip=policy.clip, limit=limit)
    return bool(np.abs(told - kept).max() < NEAR * policy.share_noise + ROUNDING)
