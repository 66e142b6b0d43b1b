"""Extra memory of either side does not grow with the vector or with the number of uploads."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from shared.secagg import CollectingAdverts
from tests.shared.secagg.grid import participant, policy, session

ROOM = 2 << 20
"""Bytes: blocks, scratch and coefficients, whatever the length of the vector."""


def extra(step: Callable[[], object]) -> tuple[int, object]:
    """Peak bytes allocated during `step`, and its result."""
    tracemalloc.start()
    result = step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak, result


@pytest.mark.parametrize("length", [2_000_000, pytest.param(20_000_000, marks=pytest.mark.slow)])
def test_masking_adding_and_unmasking_take_a_few_blocks(length):
    rules = policy(3, 0, length=length, norm_bound=1e9)
    nodes = {i: participant(i, rules, session()) for i in rules.ids}
    adverts = CollectingAdverts(rules, session())
    for i, node in nodes.items():
        adverts.receive(i, node.advertise())
    (shares,), roster = adverts.close()
    for i, node in nodes.items():
        shares.receive(i, node.share(roster[i]))
    uploads, envelopes = shares.close()
    update = np.empty(length, np.float32)
    for i, node in nodes.items():
        node.accept(envelopes[i])
        update[:] = i / 8
        used, upload = extra(lambda n=node: n.mask(update, out=update.view("<u4")))
        assert used < ROOM
        used, _ = extra(lambda i=i, u=upload: uploads.receive(i, u.header, u.vector))
        assert used < ROOM
    signatures, sets = uploads.close()
    for i, node in nodes.items():
        signatures.receive(i, node.sign_survivors(sets[i]))
    reveals, evidence = signatures.close()
    for i, node in nodes.items():
        reveals.receive(i, node.unmask(evidence[i]))
    used, (aggregate, _) = extra(reveals.close)
    assert used < ROOM
    assert aggregate.sum(np.float32)[[0, -1]].tolist() == pytest.approx([0.75, 0.75], abs=1e-6)
