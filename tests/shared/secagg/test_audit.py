"""An auditor accepts what a partner uploaded and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.secagg import Opening, Refusal, check_opening
from shared.secagg.audit import update_commitment
from shared.secagg.fixed_point import quantise
from shared.secagg.node import masking
from tests.shared.secagg.grid import Grid, policy

RULES = policy(4, 0, word_limits=(50,), audited=True)


def opened():
    grid = Grid(RULES)
    grid.run()
    upload = next(answer for stage, i, answer in grid.sent if (stage, i) == ("mask", 2))
    quantised = np.empty(RULES.length, "<u4")
    quantise(grid.updates[2], clip=RULES.clip, limit=RULES.limit, bits=32, out=quantised)
    secrets = grid.nodes[2].audit_secrets()
    opening = Opening(secrets=secrets, words=grid.words[2], quantised=quantised)
    return upload.header, opening, upload.header[6:38]


def refused(header, opening, context):
    with pytest.raises(Refusal) as refusal:
        check_opening(header, opening, RULES, context)
    assert (refusal.value.code, refusal.value.partner) == ("SA-032", 2)
    return refusal.value.problem


def test_the_true_update_opens_the_commitment():
    header, opening, context = opened()
    check_opening(header, opening, RULES, context)


@pytest.mark.parametrize("part", ["secrets", "words", "quantised"])
def test_anything_else_does_not(part):
    header, opening, context = opened()
    other = {
        "secrets": replace(opening.secrets, salt=bytes(32)),
        "words": (1,),
        "quantised": opening.quantised + np.uint32(1),
    }
    problem = refused(header, replace(opening, **{part: other[part]}), context)
    assert "committed to another upload" in problem


@pytest.mark.parametrize(
    "change",
    [
        {"words": ()},
        {"words": (1 << 70,)},
        {"quantised": np.zeros(7, "<u4")},
        {"quantised": np.zeros(6, "<u2")},
    ],
)
def test_values_of_another_shape_are_refused_before_they_are_hashed(change):
    header, opening, context = opened()
    assert "opens" in refused(header, replace(opening, **change), context)


def other_keys(secrets):
    return (replace(secrets, plus=((bytes(32), bytes(32)), *secrets.plus[1:])), "another vector")


def another_word_key(secrets):
    first, *others = secrets.plus
    return replace(secrets, plus=((first[0], bytes(32)), *others)), "other words"


def more_keys(secrets):
    return replace(secrets, plus=(*secrets.plus, (bytes(32), bytes(32)))), "one for each sharer"


def moved_keys(secrets):
    joined = secrets.plus + secrets.minus
    return replace(secrets, plus=joined, minus=()), "one for each sharer"


def short_keys(secrets):
    return replace(secrets, minus=((b"", b""),)), "no keys"


@pytest.mark.parametrize(
    "change", [other_keys, another_word_key, more_keys, moved_keys, short_keys]
)
def test_other_masks_than_the_true_ones_open_nothing(change):
    header, opening, context = opened()
    secrets, why = change(opening.secrets)
    assert why in refused(header, replace(opening, secrets=secrets), context)


@pytest.mark.parametrize("what", ["vector", "words"])
def test_a_partner_that_commits_to_one_update_and_uploads_another_is_found_out(what, monkeypatch):
    """The commitment alone would open; the signed upload does not follow from it."""
    shown = opened()[1]

    def commitment(salt, words, quantised):
        if words != shown.words:
            return update_commitment(salt, words, quantised)
        return update_commitment(
            salt,
            (7,) if what == "words" else words,
            quantised + np.uint32(what == "vector"),
        )

    monkeypatch.setattr(masking, "update_commitment", commitment)
    header, opening, context = opened()
    lie = {"words": (7,)} if what == "words" else {"quantised": opening.quantised + np.uint32(1)}
    problem = refused(header, replace(opening, **lie), context)
    assert ("other words" if what == "words" else "another vector") in problem


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
