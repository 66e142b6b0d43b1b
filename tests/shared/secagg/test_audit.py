"""An auditor accepts what a partner uploaded and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.secagg import Opening, Refusal, check_opening
from shared.secagg.fixed_point import quantise
from tests.shared.secagg.grid import Grid, policy

RULES = policy(4, 0, word_limits=(50,), audited=True)


def opened():
    grid = Grid(RULES)
    grid.run()
    upload = next(answer for stage, i, answer in grid.sent if (stage, i) == ("mask", 2))
    quantised = np.empty(RULES.length, "<u4")
    quantise(grid.updates[2], clip=RULES.clip, limit=RULES.limit, bits=32, out=quantised)
    opening = Opening(salt=grid.nodes[2].audit_salt(), words=grid.words[2], quantised=quantised)
    return upload.header, opening, upload.header[6:38]


def test_the_true_update_opens_the_commitment():
    header, opening, context = opened()
    check_opening(header, opening, RULES, context)


@pytest.mark.parametrize("part", ["salt", "words", "quantised"])
def test_anything_else_does_not(part):
    header, opening, context = opened()
    other = {
        "salt": bytes(32),
        "words": (1,),
        "quantised": opening.quantised + np.uint32(1),
    }
    with pytest.raises(Refusal) as refusal:
        check_opening(header, replace(opening, **{part: other[part]}), RULES, context)
    assert (refusal.value.code, refusal.value.partner) == ("SA-032", 2)


def test_an_unasked_commitment_is_refused():
    """Where the policy asks for none, a commitment would be a covert channel."""
    plain = replace(RULES, audited=False)
    from shared.secagg.codec import Kind, sign
    from tests.shared.secagg.grid import IDENTITIES

    def tap(stage, partner, upload):
        if (stage, partner) != ("mask", 2):
            return upload
        payload = bytearray(upload.header[40:-64])
        payload[64] ^= 1
        header = sign(IDENTITIES[2], Kind.UPLOAD, plain, upload.header[6:38], bytes(payload))
        return replace(upload, header=header)

    grid = Grid(plain, to_server=tap)
    assert 2 not in grid.run().survivors
    assert grid.blamed[2].code == "SA-026"
