"""Every stage of either side makes its transition once."""

from __future__ import annotations

import numpy as np
import pytest

from shared.secagg import (
    Advertising,
    CollectingAdverts,
    Refusal,
    Seat,
)
from shared.secagg.codec import join
from tests.shared.secagg.grid import IDENTITIES, Grid, policy, session

RULES = policy(3, 0)
IDS = RULES.ids
ROOT = b"\7" * 32


def twice(step):
    """The result of a transition, after checking that it cannot be made again."""
    result = step()
    with pytest.raises(Refusal) as refusal:
        step()
    assert refusal.value.code == "SA-028"
    return result


def test_no_stage_of_node_or_coordinator_can_be_used_twice():
    seats = {
        i: Seat(policy=RULES, session=session(), identity=IDENTITIES[i], root=bytes([i]) * 32)
        for i in IDS
    }
    collecting = CollectingAdverts(RULES, session())
    stages, messages = {}, {}
    for i in IDS:
        stages[i], messages[i] = twice(Advertising(seats[i]).advertise)
        collecting.receive(i, messages[i])
    (shares,), roster = twice(collecting.close)
    with pytest.raises(Refusal) as late:
        collecting.receive(1, messages[1])
    assert late.value.code == "SA-028"
    for i in IDS:
        stages[i], raw = twice(lambda i=i: stages[i].share(roster[i]))
        shares.receive(i, raw)
    uploads, envelopes = twice(shares.close)
    update = np.ones(RULES.length, np.float32)
    for i in IDS:
        masking, _ = twice(lambda i=i: stages[i].accept(envelopes[i]))
        stages[i], upload = twice(lambda m=masking: m.mask(update))
        uploads.receive(i, upload.header, upload.vector)
    signatures, sets = twice(uploads.close)
    for i in IDS:
        stages[i], raw = twice(lambda i=i: stages[i].sign_survivors(sets[i]))
        signatures.receive(i, raw)
    reveals, evidence = twice(signatures.close)
    for i in IDS:
        stages[i], raw = twice(lambda i=i: stages[i].unmask(evidence[i]))
        reveals.receive(i, raw)
    aggregate, results = twice(reveals.close)
    for i in IDS:
        twice(lambda i=i: stages[i].verify(results[i], aggregate.ring_sum))


def test_a_forged_sum_leaves_no_second_guess():
    grid = Grid(RULES)
    aggregate = grid.run()
    stage = grid.nodes[1]._stage
    for code in ("SA-022", "SA-028"):
        with pytest.raises(Refusal) as refusal:
            stage.verify(grid.results[1], aggregate.ring_sum + np.uint32(1))
        assert refusal.value.code == code


@pytest.mark.parametrize("raw", [b"", b"\0"])
def test_an_empty_list_is_no_roster(raw):
    node, _ = Advertising(
        Seat(policy=RULES, session=session(), identity=IDENTITIES[1], root=ROOT)
    ).advertise()
    for message in (raw, join([])):
        with pytest.raises(Refusal):
            node.share(message)
