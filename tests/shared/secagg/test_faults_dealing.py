"""Fault C4 in detail: what fits its signature but not the session, is refused by name."""

from __future__ import annotations

import pytest

from shared.secagg import CollectingAdverts, Refusal, dealing
from shared.secagg import keys as agreed
from shared.secagg.codec import Kind, bitmap, join, split
from shared.secagg.fixed_point import signed
from shared.secagg.records import record_bytes, share_bytes
from shared.secagg.shamir import PRIME
from tests.shared.secagg.cheating import CULPRIT, HEAD, RULES, VICTIM, resigned
from tests.shared.secagg.grid import IDENTITIES, Grid, policy

LOOSE = policy(5, 0)


@pytest.mark.parametrize("label", ["self", "mask"])
def test_a_sealed_share_that_does_not_match_its_commitment_names_the_dealer(monkeypatch, label):
    original, pending = agreed.share_commitment, [True]

    def commitment(name, share, context, dealer, holder):
        if pending and (name, dealer, holder) == (label, CULPRIT, VICTIM):
            pending.clear()
            return bytes(32)
        return original(name, share, context, dealer, holder)

    monkeypatch.setattr(agreed, "share_commitment", commitment)
    grid = Grid(LOOSE)
    aggregate = grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-013", CULPRIT)
    assert signed(aggregate.ring_sum).tolist() == grid.exact((2, 3, 4, 5))


def test_a_share_outside_the_field_names_the_dealer(monkeypatch):
    original = dealing._shares

    def shares(dealer, label, secret):
        result = original(dealer, label, secret)
        if dealer.me == CULPRIT:
            result[VICTIM] = (PRIME + 1).to_bytes(32, "little")
        return result

    monkeypatch.setattr(dealing, "_shares", shares)
    grid = Grid(LOOSE)
    grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-013", CULPRIT)


@pytest.mark.parametrize("order", [(1, 0, 2, 3, 4), (0, 0, 2, 3, 4), (0, 1, 2, 3)], ids=str)
def test_a_dealer_must_deal_to_every_member_once_and_in_order(order):
    size = record_bytes(share_bytes(RULES))

    def tap(stage, partner, raw):
        if (stage, partner) != ("share", CULPRIT):
            return raw
        records = split(raw, size, most=5)
        return join(records[place] for place in order)

    grid = Grid(RULES, to_server=tap)
    assert CULPRIT not in grid.run().survivors
    assert grid.blamed[CULPRIT].code == "SA-002"


@pytest.mark.parametrize(("stage", "kind"), [("sign", Kind.SURVIVORS), ("unmask", Kind.REVEAL)])
def test_a_signature_or_reveal_for_another_survivor_set_is_refused(stage, kind):
    other = bitmap(RULES, (1, 2, 3, 4))

    def tap(name, partner, raw):
        if (name, partner) != (stage, CULPRIT):
            return raw
        payload = raw[HEAD:-64]
        changed = payload[:32] + other if stage == "sign" else other + payload[32:]
        return resigned(raw, kind, IDENTITIES[CULPRIT], changed)

    grid = Grid(RULES, to_server=tap)
    aggregate = grid.run()
    assert (grid.blamed[CULPRIT].code, grid.blamed[CULPRIT].partner) == ("SA-019", CULPRIT)
    assert signed(aggregate.ring_sum).tolist() == grid.exact(RULES.ids)


def test_a_partner_outside_the_stage_is_not_listened_to():
    grid = Grid(RULES)
    stage = CollectingAdverts(RULES, grid.place)
    with pytest.raises(Refusal) as refusal:
        stage.receive(99, grid.nodes[2].advertise())
    assert "not expected" in refusal.value.problem
    assert stage.received == ()
