"""A coordinator and a partner that cheat: what the fault tests have in common."""

from __future__ import annotations

from shared.secagg.codec import RECORD_BYTES, Kind, bitmap, join, sign, split
from shared.secagg.fixed_point import signed
from shared.secagg.records import Advert, advert_bytes, record_bytes, share_bytes
from tests.shared.secagg.grid import IDENTITIES, Grid, policy

RULES = policy(5, 1, word_limits=(1000,))


VICTIM, CULPRIT = 1, 3


HEAD = RECORD_BYTES - 64


KEY_AT = HEAD + 16 + 64


"""Where an advert's channel key starts; its mask key follows."""


def adverts_of(message):
    return split(message, record_bytes(advert_bytes(RULES)), most=5)


def resigned(raw, kind, identity, payload, rules=RULES):
    """The record `raw` with another payload, signed by `identity`."""
    return sign(identity, kind, rules, raw[6:38], payload)


def with_advert(change):
    """A tap that changes the culprit's advert on its way to the victim."""

    def tap(stage, partner, message):
        if (stage, partner) != ("share", VICTIM):
            return message
        adverts = adverts_of(message)
        adverts[CULPRIT - 1] = change(adverts[CULPRIT - 1])
        return join(adverts)

    return tap


def refusal_at_victim(tap, rules=RULES, **options):
    grid = Grid(rules, to_node=tap, **options)
    aggregate = grid.run()
    assert VICTIM not in aggregate.survivors
    return grid.refused[VICTIM]


def at(stage, change, partners=(VICTIM,)):
    def tap(name, partner, message):
        return change(message) if name == stage and partner in partners else message

    return tap


def refusal_after_upload(tap, rules=RULES):
    grid = Grid(rules, to_node=tap)
    grid.run()
    return grid.refused[VICTIM]


def opened_node():
    """A node that has signed a survivor set and revealed, with the messages that it got."""
    seen = {}

    def tap(stage, partner, message):
        if partner == VICTIM:
            seen[stage] = message
        return message

    grid = Grid(RULES, to_node=tap)
    grid.run()
    return grid, seen


def split_view(rules, sides, stage, partner, message):
    return message[:-32] + bitmap(rules, sides[partner]) if stage == "sign" else message


def cheating_advert(change):
    """A tap by which the culprit itself advertises other keys."""

    def tap(stage, partner, raw):
        if (stage, partner) != ("advertise", CULPRIT):
            return raw
        advert = change(Advert.parse(raw[HEAD:-64], RULES))
        return resigned(raw, Kind.ADVERT, IDENTITIES[CULPRIT], advert.encode())

    return tap


def finished():
    grid = Grid(RULES)
    return grid, grid.run()


def poisoned(monkeypatch, factor, rules):
    from shared.secagg.node import masking

    original = masking.quantise
    grid = Grid(rules)

    def quantise(update, **options):
        original(update, **options)
        if update is grid.updates[CULPRIT]:
            signed(options["out"])[:] *= factor

    monkeypatch.setattr(masking, "quantise", quantise)
    return grid


def wrong_reveal(raw):
    payload = bytearray(raw[HEAD:-64])
    payload[32] ^= 1
    return resigned(raw, Kind.REVEAL, IDENTITIES[CULPRIT], bytes(payload))


def corrupt_envelope(stage, partner, raw):
    """The culprit seals garbage for the victim and signs it."""
    if (stage, partner) != ("share", CULPRIT):
        return raw
    records = split(raw, record_bytes(share_bytes(RULES)), most=5)
    payload = bytearray(records[VICTIM - 1][HEAD:-64])
    payload[-1] ^= 1
    records[VICTIM - 1] = resigned(
        records[VICTIM - 1], Kind.SHARE, IDENTITIES[CULPRIT], bytes(payload)
    )
    return join(records)


def dealt_off_the_polynomial(monkeypatch, label, holders):
    """The culprit commits to and deals shares that lie on no polynomial."""
    from shared.secagg import dealing

    original = dealing._shares

    def shares(dealer, name, secret):
        result = original(dealer, name, secret)
        if dealer.me == CULPRIT and name == label:
            for holder in holders:
                result[holder] = (7 * holder).to_bytes(32, "little")
        return result

    monkeypatch.setattr(dealing, "_shares", shares)
