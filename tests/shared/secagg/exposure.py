"""What can be read in the messages that left the nodes: every byte of them is searched."""

from __future__ import annotations

import numpy as np

from shared.secagg import Upload, shamir
from shared.secagg.fixed_point import quantise, ring_dtype
from shared.secagg.keys import CohortSecrets, SessionSecrets
from tests.shared.secagg.grid import Grid

CONTEXT = slice(6, 38)
LEAST = 12
"""Bytes of an update that masked vectors do not hold by chance."""


def check_nothing_in_clear(grid: Grid) -> None:
    """No root, no whole secret, no update stands in any message that a node sent."""
    sent = _everything(grid)
    for partner, (z_self, z_mask) in _secrets(grid).items():
        for secret in (
            grid.nodes[partner]._seat.root,
            shamir.encode(z_self),
            shamir.encode(z_mask),
        ):
            assert secret not in sent
        clear = _quantised(grid, partner)
        assert len(clear) < LEAST or clear not in sent


def revealed(grid: Grid) -> dict[tuple[int, str], set[int]]:
    """Holders whose share of a dealer's secret can be read, by dealer and kind of secret."""
    sent, members = _everything(grid), [i for stage, i, _ in grid.sent if stage == "advertise"]
    found: dict[tuple[int, str], set[int]] = {}
    for dealer, values in _secrets(grid).items():
        for kind, secret in zip(("self", "mask"), values, strict=True):
            own = CohortSecrets(grid.nodes[dealer]._seat.root, _context(grid))
            shares = shamir.split(secret, own.coefficients(kind, grid.rules.threshold), members)
            found[dealer, kind] = {holder for holder, share in shares.items() if share in sent}
    return found


def _everything(grid: Grid) -> bytes:
    """All that nodes have sent, vectors included."""
    parts = []
    for _, _, message in grid.sent:
        upload = isinstance(message, Upload)
        parts.append(message.header + message.vector.tobytes() if upload else message)
    return b"|".join(parts)


def _context(grid: Grid) -> bytes:
    """The cohort's, from the first envelope after the list's count of two bytes."""
    message = next(message for stage, _, message in grid.sent if stage == "share")
    return message[2:][CONTEXT]


def _secrets(grid: Grid) -> dict[int, tuple[int, int]]:
    """z_b and z_m of every node that dealt shares."""
    first = grid.place.context(grid.rules)
    found = {}
    for stage, i, _ in grid.sent:
        if stage == "share":
            root = grid.nodes[i]._seat.root
            own = CohortSecrets(root, _context(grid)).self_secret()
            found[i] = own, SessionSecrets(root, first).mask_secret().value
    return found


def _quantised(grid: Grid, partner: int) -> bytes:
    """Ring elements before masking; 16 coordinates at most, found there if anywhere."""
    rules = grid.rules
    clear = np.empty(rules.length, ring_dtype(rules.ring_bits))
    options = {"clip": rules.clip, "limit": rules.limit, "bits": rules.ring_bits}
    quantise(grid.updates[partner], out=clear, **options)
    return clear[:16].tobytes()
