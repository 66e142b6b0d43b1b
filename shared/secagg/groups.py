"""Group sums against poisoning: public random groups, and a trimmed mean over their means.

A partner can shift a sum by anything; with G groups it shifts one of G means, and trimming drops
the extremes of every coordinate (Yin et al., ICML 2018). Each group hides its members only among
themselves, so groups trade anonymity for robustness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.secagg.errors import PolicyError
from shared.secagg.hashing import digest, u16


def assign(roster: bytes, partners: Sequence[int], groups: int) -> tuple[tuple[int, ...], ...]:
    """Deal `partners` to `groups` of sizes that differ by at most one.

    The order is by a hash with the roster digest, which holds a nonce of every partner: nobody can
    choose its group, and everybody computes the same ones.
    """
    order = sorted(partners, key=lambda partner: digest("deal", roster, u16(partner)))
    return tuple(tuple(sorted(order[place::groups])) for place in range(groups))


def trimmed_mean(means: Sequence[NDArray[Any]], trim: int) -> NDArray[np.float64]:
    """Coordinate-wise mean of G group means without the `trim` smallest and largest.

    Raises
    ------
    PolicyError
        ``2 * trim >= G``: nothing would be left.
    """
    if not 0 <= 2 * trim < len(means):
        raise PolicyError(f"cannot trim {trim} from each end of {len(means)} groups")
    ordered = np.sort(np.stack(means).astype(np.float64), axis=0)
    kept: NDArray[np.float64] = ordered[trim : len(means) - trim].mean(axis=0)
    return kept
