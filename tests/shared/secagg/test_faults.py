"""Faults S1 to S10 and C1 to C4: a cheating coordinator or partner meets the real code.

Each test says which code the refusal carries; where the fault is one partner's, the round goes on.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from shared.secagg import (
    CollectingAdverts,
    MemoryLockStore,
    Refusal,
    Requirements,
    SessionPolicy,
    Suite,
    Upload,
)
from shared.secagg.codec import RECORD_BYTES, Kind, bitmap, frame, join, sign, split
from shared.secagg.cohort import build_roster, cohorts
from shared.secagg.fixed_point import signed
from shared.secagg.identity import Identity
from shared.secagg.records import (
    SURVIVORS_BYTES,
    Advert,
    advert_bytes,
    record_bytes,
    reveal_bytes,
    share_bytes,
)
from tests.shared.secagg.grid import IDENTITIES, Grid, keys, participant, policy, session

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


# --- S1: alive and dead ------------------------------------------------------------------------


def test_s1_no_message_can_call_a_partner_alive_and_dead():
    """A survivor set is one bitmap; a second one is left-over bytes."""
    tap = at("sign", lambda message: message + bytes(32))
    assert refusal_after_upload(tap).code == "SA-002"


def test_s1_every_node_reveals_one_kind_of_share_for_each_partner():
    grid = Grid(RULES, dropped={5: "mask"})
    grid.run()
    reveals = [raw for stage, _, raw in grid.sent if stage == "unmask"]
    assert len(reveals) == 4
    assert all(len(raw) == record_bytes(reveal_bytes(5)) for raw in reveals)


def refusal_after_upload(tap, rules=RULES):
    grid = Grid(rules, to_node=tap)
    grid.run()
    return grid.refused[VICTIM]


# --- S2, S3: survivor sets ----------------------------------------------------------------------


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


def test_s2_a_second_unmask_with_another_set_is_refused():
    grid, seen = opened_node()
    fewer = seen["sign"][:-32] + bitmap(RULES, (1, 2, 3, 4))
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].sign_survivors(fewer)
    assert refusal.value.code == "SA-018"


def test_s2_the_same_unmask_again_gives_the_same_bytes():
    grid, seen = opened_node()
    answer = next(raw for stage, i, raw in grid.sent if (stage, i) == ("unmask", VICTIM))
    assert grid.nodes[VICTIM].unmask(seen["unmask"]) == answer


@pytest.mark.parametrize("shown", ["all signatures", "only matching signatures"])
def test_s3_different_survivor_sets_open_nothing(shown):
    rules = policy(6, 1)
    sides = {i: (1, 2, 3, 4, 5, 6) if i <= 3 else (2, 3, 4, 5, 6) for i in rules.ids}
    grid = Grid(rules, to_node=lambda stage, i, m: split_view(rules, sides, stage, i, m))
    signatures = {}

    def keep(stage, partner, answer):
        if stage == "sign":
            signatures[partner] = answer
        return answer

    grid.to_server = keep
    with pytest.raises(Refusal):
        grid.run()
    for i, node in grid.nodes.items():
        chosen = [
            raw
            for j, raw in sorted(signatures.items())
            if shown == "all signatures" or sides[j] == sides[i]
        ]
        with pytest.raises(Refusal) as refusal:
            node.unmask(join(chosen))
        assert refusal.value.code == "SA-019"
        assert not node.revealed


def split_view(rules, sides, stage, partner, message):
    return message[:-32] + bitmap(rules, sides[partner]) if stage == "sign" else message


def test_s3_a_set_without_this_node_or_with_strangers_is_refused():
    without_me = at("sign", lambda m: m[:-32] + bitmap(RULES, (2, 3, 4, 5)))
    assert refusal_after_upload(without_me).code == "SA-016"
    rules = policy(6, 1)
    grid = Grid(
        rules,
        dropped={6: "share"},
        to_node=at("sign", lambda m: m[:-32] + bitmap(rules, rules.ids)),
    )
    grid.run()
    assert grid.refused[VICTIM].code == "SA-016"


# --- S4: public keys ----------------------------------------------------------------------------


def test_s4_a_swapped_key_is_refused():
    def swap(raw):
        return raw[:KEY_AT] + IDENTITIES[9].public_bytes + raw[KEY_AT + 32 :]

    refusal = refusal_at_victim(with_advert(swap))
    assert (refusal.code, refusal.partner) == ("SA-004", CULPRIT)


def test_s4_a_swapped_key_that_the_coordinator_signs_is_refused():
    def swap(raw):
        payload = raw[HEAD:-64]
        payload = payload[:80] + bytes(range(32)) + payload[112:]
        stranger = Identity(partner=CULPRIT, key=IDENTITIES[9].key)
        return resigned(raw, Kind.ADVERT, stranger, payload)

    assert refusal_at_victim(with_advert(swap)).code == "SA-004"


def test_s4_an_unsigned_advert_is_refused():
    refusal = refusal_at_victim(with_advert(lambda raw: raw[:-64] + bytes(64)))
    assert refusal.code == "SA-004"


def test_s4_a_partner_listed_twice_is_refused():
    tap = at("share", lambda m: join([*adverts_of(m)[:4], adverts_of(m)[3]]))
    assert refusal_at_victim(tap).code == "SA-006"


def cheating_advert(change):
    """A tap by which the culprit itself advertises other keys."""

    def tap(stage, partner, raw):
        if (stage, partner) != ("advertise", CULPRIT):
            return raw
        advert = change(Advert.parse(raw[HEAD:-64], RULES))
        return resigned(raw, Kind.ADVERT, IDENTITIES[CULPRIT], advert.encode())

    return tap


@pytest.mark.parametrize("low_order", [bytes(32), b"\1" + bytes(31)])
def test_s4_a_key_of_low_order_is_refused_by_the_coordinator(low_order):
    grid = Grid(RULES, to_server=cheating_advert(lambda a: replace(a, mask_key=low_order)))
    assert CULPRIT not in grid.run().survivors
    assert grid.blamed[CULPRIT].code == "SA-008"


def test_s4_a_key_of_low_order_is_refused_by_every_node():
    grid = Grid(RULES)
    adverts = [grid.nodes[i].advertise() for i in RULES.ids]
    weak = replace(Advert.parse(adverts[2][HEAD:-64], RULES), channel_key=bytes(32))
    adverts[2] = resigned(adverts[2], Kind.ADVERT, IDENTITIES[CULPRIT], weak.encode())
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].share(join(adverts))
    assert (refusal.value.code, refusal.value.partner) == ("SA-008", CULPRIT)


def test_s4_a_key_that_appears_twice_is_refused():
    grid = Grid(RULES)
    adverts = [grid.nodes[i].advertise() for i in RULES.ids]
    other = Advert.parse(adverts[3][HEAD:-64], RULES)
    copied = replace(Advert.parse(adverts[2][HEAD:-64], RULES), mask_key=other.mask_key)
    adverts[2] = resigned(adverts[2], Kind.ADVERT, IDENTITIES[CULPRIT], copied.encode())
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].share(join(adverts))
    assert refusal.value.code == "SA-008"


def test_s4_a_roster_without_this_nodes_own_advert_is_refused():
    tap = at("share", lambda m: join(adverts_of(m)[1:]))
    assert refusal_at_victim(tap).code == "SA-007"


# --- S5, S6: cohorts ----------------------------------------------------------------------------


def test_s5_a_policy_below_the_nodes_floors_is_refused():
    for demands in ({"min_partners": 6}, {"min_colluders": 2}, {"min_survivors": 5}):
        with pytest.raises(Refusal) as refusal:
            participant(
                1,
                RULES,
                session(),
                requirements=Requirements(pinned=keys(RULES.ids), **demands),
            )
        assert refusal.value.code == "SA-035"


def test_s5_a_roster_below_the_floor_is_refused_and_no_share_leaves():
    tap = at("share", lambda m: join(adverts_of(m)[:3]))
    grid = Grid(RULES, to_node=tap)
    grid.run()
    assert grid.refused[VICTIM].code == "SA-009"
    assert ("share", VICTIM) not in [(stage, i) for stage, i, _ in grid.sent]


def test_s5_too_few_sharers_are_refused_and_no_upload_leaves():
    size = record_bytes(share_bytes(RULES))
    tap = at("mask", lambda m: join(split(m, size, most=5)[:2]))
    grid = Grid(RULES, to_node=tap)
    grid.run()
    assert grid.refused[VICTIM].code == "SA-009"
    assert ("mask", VICTIM) not in [(stage, i) for stage, i, _ in grid.sent]


def test_s5_a_survivor_set_below_the_floor_is_refused():
    tap = at("sign", lambda m: m[:-32] + bitmap(RULES, (1, 2, 3)))
    assert refusal_after_upload(tap).code == "SA-017"


def test_s6_a_policy_of_unknown_identities_around_one_victim_is_refused():
    invented = {i: Identity.generate(i).public_bytes for i in (11, 12, 13, 14)}
    rules = SessionPolicy(partners={**keys([VICTIM]), **invented}, colluders=1, length=6, clip=1.0)
    with pytest.raises(Refusal) as refusal:
        participant(VICTIM, rules, session(), requirements=Requirements(pinned=keys(range(1, 6))))
    assert refusal.value.code == "SA-034"


def test_s6_an_invented_partner_in_the_roster_is_refused():
    def tap(stage, partner, message):
        if (stage, partner) != ("share", VICTIM):
            return message
        adverts = adverts_of(message)
        stranger = Identity(partner=99, key=IDENTITIES[9].key)
        adverts[4] = resigned(adverts[4], Kind.ADVERT, stranger, adverts[4][HEAD:-64])
        return join(adverts)

    refusal = refusal_at_victim(tap)
    assert (refusal.code, refusal.partner) == ("SA-005", 99)


def test_s6_different_rosters_for_different_nodes_open_nothing():
    rules = policy(6, 0)
    size = record_bytes(advert_bytes(rules))

    def tap(stage, partner, message):
        if stage == "share" and partner <= 3:
            return join(split(message, size, most=6)[:5])
        return message

    grid = Grid(rules, to_node=tap)
    with pytest.raises(Refusal):
        grid.run()
    assert {grid.blamed[i].code for i in (1, 2, 3)} == {"SA-010"}
    assert not any(node.revealed for node in grid.nodes.values())


# --- S7, S8: models and plans -------------------------------------------------------------------


def test_s7_nodes_on_different_models_do_not_complete_a_round():
    """Whoever was shown another model is named by every honest node."""
    grid = Grid(RULES)
    grid.nodes[VICTIM] = participant(VICTIM, RULES, session(model_hash=b"x" * 32))
    assert VICTIM not in grid.run().survivors
    assert grid.blamed[VICTIM].code == "SA-012"


def test_s7_a_node_on_another_model_refuses_the_others():
    grid = Grid(RULES)
    node = participant(VICTIM, RULES, session(model_hash=b"x" * 32))
    adverts = [node.advertise()] + [grid.nodes[i].advertise() for i in RULES.ids[1:]]
    with pytest.raises(Refusal) as refusal:
        node.share(join(adverts))
    assert refusal.value.code == "SA-012"


@pytest.mark.parametrize(
    "demands", [{"max_clip": 0.5}, {"max_length": 5}, {"max_words": 0}], ids=str
)
def test_s8_a_policy_with_a_crafted_range_length_or_word_count_is_refused(demands):
    with pytest.raises(Refusal) as refusal:
        participant(
            1, RULES, session(), requirements=Requirements(pinned=keys(RULES.ids), **demands)
        )
    assert refusal.value.code == "SA-036"


def test_s8_another_plan_is_refused():
    grid = Grid(RULES)
    grid.nodes[VICTIM] = participant(VICTIM, RULES, session(plan_hash=b"x" * 32))
    grid.run()
    assert grid.blamed[VICTIM].code == "SA-011"


def test_s8_another_policy_is_refused():
    grid = Grid(RULES)
    grid.nodes[VICTIM] = participant(VICTIM, replace(RULES, clip=2.0), session())
    grid.run()
    assert grid.blamed[VICTIM].code == "SA-010"


# --- S9, S10: repeats and downgrades ------------------------------------------------------------


def test_s9_a_round_that_was_opened_is_not_served_again():
    grid, _ = opened_node()
    store = grid.nodes[VICTIM]._locks
    for attempt in (0, 1):
        again = participant(VICTIM, RULES, session(attempt=attempt), lock_store=store)
        with pytest.raises(Refusal) as refusal:
            again.advertise()
        assert refusal.value.code == "SA-014"


def test_s9_attempts_only_count_up():
    store = MemoryLockStore()
    participant(1, RULES, session(attempt=1), lock_store=store).advertise()
    for attempt in (0, 1):
        with pytest.raises(Refusal) as refusal:
            participant(1, RULES, session(attempt=attempt), lock_store=store).advertise()
        assert refusal.value.code == "SA-014"
    participant(1, RULES, session(attempt=2), lock_store=store).advertise()


def test_s9_an_older_attempt_is_dead_once_a_newer_one_started():
    store = MemoryLockStore()
    grid = Grid(RULES)
    old = participant(1, RULES, session(), lock_store=store)
    adverts = [old.advertise()] + [grid.nodes[i].advertise() for i in RULES.ids[1:]]
    participant(1, RULES, session(attempt=1), lock_store=store).advertise()
    with pytest.raises(Refusal) as refusal:
        old.share(join(adverts))
    assert refusal.value.code == "SA-031"


def test_s9_adverts_of_an_earlier_round_are_refused():
    old = Grid(RULES).nodes[CULPRIT].advertise()
    grid = Grid(RULES, session(round=2), to_node=with_advert(lambda _: old))
    grid.run()
    refusal = grid.refused[VICTIM]
    assert (refusal.code, refusal.partner) == ("SA-010", CULPRIT)


def test_s9_a_second_roster_for_the_same_attempt_is_refused():
    grid = Grid(RULES)
    adverts = [grid.nodes[i].advertise() for i in RULES.ids]
    grid.nodes[VICTIM].share(join(adverts))
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].share(join(adverts[:4]))
    assert refusal.value.code == "SA-015"


def test_s9_a_second_upload_under_the_same_masks_is_refused():
    grid, _ = opened_node()
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].mask(grid.updates[2], grid.words[VICTIM])
    assert refusal.value.code == "SA-033"


def test_s10_another_suite_is_refused():
    weaker = Requirements(pinned=keys(RULES.ids), suites=frozenset({Suite.HYBRID_AES256}))
    with pytest.raises(Refusal) as refusal:
        participant(1, RULES, session(), requirements=weaker)
    assert refusal.value.code == "SA-003"
    tap = with_advert(lambda raw: raw[:5] + bytes([Suite.X25519_CHACHA20]) + raw[6:])
    assert refusal_at_victim(tap).code == "SA-003"


def test_s10_an_older_protocol_version_is_refused():
    assert refusal_at_victim(with_advert(lambda raw: b"ISA0" + raw[4:])).code == "SA-003"


# --- forged sums --------------------------------------------------------------------------------


def finished():
    grid = Grid(RULES)
    return grid, grid.run()


def test_a_sum_that_differs_in_one_coordinate_is_refused():
    grid, aggregate = finished()
    forged = aggregate.ring_sum.copy()
    forged[2] += 1
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(grid.results[VICTIM], forged)
    assert refusal.value.code == "SA-022"


def test_a_forged_word_or_tag_is_refused():
    for place in (40, 50, 70, -1):
        grid, aggregate = finished()
        message = bytearray(grid.results[VICTIM])
        message[38 + 32 if place == 40 else place] ^= 1
        with pytest.raises(Refusal):
            grid.nodes[VICTIM].verify(bytes(message), aggregate.ring_sum)


def test_a_scaled_sum_with_a_scaled_tag_is_refused():
    """The pads keep the coordinator from using that tags are linear."""
    grid, aggregate = finished()
    message, count = grid.results[VICTIM], 8 * (1 + RULES.tag_words)
    words = np.frombuffer(message[70 : 70 + count], "<u8") * np.uint64(2)
    wide = (2 * int.from_bytes(message[-16:], "little")) % 2**128
    doubled = message[:70] + words.tobytes() + wide.to_bytes(16, "little")
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(doubled, aggregate.ring_sum * np.uint32(2))
    assert refusal.value.code == "SA-022"


def test_a_sum_of_other_survivors_is_refused():
    grid, aggregate = finished()
    message = grid.results[VICTIM]
    other = message[:38] + bitmap(RULES, (1, 2, 3, 4)) + message[70:]
    with pytest.raises(Refusal) as refusal:
        grid.nodes[VICTIM].verify(other, aggregate.ring_sum)
    assert refusal.value.code == "SA-022"


# --- C1, C2: unusable data ----------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_c1_nan_and_infinity_are_refused_before_any_upload(bad):
    grid = Grid(RULES)
    grid.updates[CULPRIT] = np.array([0, 0, 0, bad, 0, 0], np.float32)
    assert CULPRIT not in grid.run().survivors
    assert grid.refused[CULPRIT].code == "SA-020"
    assert ("mask", CULPRIT) not in [(stage, i) for stage, i, _ in grid.sent]


@pytest.mark.parametrize(
    "bad", [np.zeros(7, np.float32), np.zeros(6, np.int32), np.zeros((2, 3), np.float32)], ids=str
)
def test_c1_another_shape_or_type_is_refused_at_the_node(bad):
    grid = Grid(RULES)
    grid.updates[CULPRIT] = bad
    grid.run()
    assert grid.refused[CULPRIT].code == "SA-020"


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v[:-1],
        lambda v: np.append(v, v[:1]),
        lambda v: v.astype(np.uint16),
        lambda v: v.tobytes() + b"x",
        lambda v: v.reshape(2, 3),
        lambda v: v + np.uint32(1),
    ],
)
def test_c1_a_vector_that_is_not_the_signed_one_is_refused(change):
    def tap(stage, partner, upload):
        if (stage, partner) != ("mask", CULPRIT):
            return upload
        return Upload(header=upload.header, vector=change(upload.vector))

    grid = Grid(RULES, to_server=tap)
    aggregate = grid.run()
    assert grid.blamed[CULPRIT].code == "SA-026"
    survivors = (1, 2, 4, 5)
    assert signed(aggregate.ring_sum).tolist() == grid.exact(survivors)


def test_c1_a_length_bomb_is_refused_before_anything_is_cut():
    bomb = b"\xff\xff" + bytes(40)
    grid = Grid(RULES, to_server=lambda s, i, m: bomb if (s, i) == ("share", CULPRIT) else m)
    assert CULPRIT not in grid.run().survivors
    assert grid.blamed[CULPRIT].code == "SA-002"


@pytest.mark.parametrize("stage", ["advertise", "share", "sign", "unmask"])
@pytest.mark.parametrize(
    "junk", [pickle.dumps(print), b"", b"../../etc/passwd", bytes(10_000)], ids=len
)
def test_c2_pickles_paths_and_junk_are_refused_and_the_round_goes_on(stage, junk):
    grid = Grid(RULES, to_server=lambda s, i, m: junk if (s, i) == (stage, CULPRIT) else m)
    aggregate = grid.run()
    assert grid.blamed[CULPRIT].code == "SA-002"
    assert signed(aggregate.ring_sum).tolist() == grid.exact(aggregate.survivors)


# --- C3: poisoning ------------------------------------------------------------------------------


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


def test_c3_a_coordinate_beyond_the_range_is_seen_in_the_sum(monkeypatch):
    rules = policy(5, 1, length=6)
    grid = poisoned(monkeypatch, 4, rules)
    grid.dropped = {5: "mask"}
    grid.updates[CULPRIT] = np.full(6, 1.0, np.float32)
    for i in set(rules.ids) - {CULPRIT}:
        grid.updates[i] = np.full(6, 0.3, np.float32)
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == "SA-027"


def test_c3_a_norm_times_a_thousand_is_seen_in_the_sum():
    rules = policy(5, 1, length=6, clip=100.0, norm_bound=0.1)
    grid = Grid(rules)
    for i in rules.ids:
        grid.updates[i] = np.full(6, 0.01, np.float32)
    grid.updates[CULPRIT] *= 1000
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == "SA-027"


def test_c3_a_claimed_weight_of_a_billion_does_not_leave_an_honest_node():
    grid = Grid(RULES)
    grid.words[CULPRIT] = (10**9,)
    assert CULPRIT not in grid.run().survivors
    assert grid.refused[CULPRIT].code == "SA-021"


def test_c3_a_claimed_weight_of_a_billion_is_seen_in_the_sum(monkeypatch):
    from shared.secagg.node import masking

    monkeypatch.setattr(masking, "check_words", lambda *_: None)
    grid = Grid(RULES)
    grid.words[CULPRIT] = (10**9,)
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == "SA-027"


# --- C4: shares ---------------------------------------------------------------------------------


def wrong_reveal(raw):
    payload = bytearray(raw[HEAD:-64])
    payload[32] ^= 1
    return resigned(raw, Kind.REVEAL, IDENTITIES[CULPRIT], bytes(payload))


def test_c4_a_wrong_share_names_its_holder_and_the_round_is_saved():
    grid = Grid(
        RULES, to_server=lambda s, i, m: wrong_reveal(m) if (s, i) == ("unmask", CULPRIT) else m
    )
    aggregate = grid.run()
    assert (grid.blamed[CULPRIT].code, grid.blamed[CULPRIT].partner) == ("SA-023", CULPRIT)
    assert signed(aggregate.ring_sum).tolist() == grid.exact(RULES.ids)


def test_c4_too_many_wrong_shares_leave_the_sum_closed():
    def tap(stage, partner, raw):
        if stage != "unmask" or partner not in (2, 3):
            return raw
        payload = bytearray(raw[HEAD:-64])
        payload[32] ^= 1
        return resigned(raw, Kind.REVEAL, IDENTITIES[partner], bytes(payload))

    grid = Grid(RULES, to_server=tap)
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == "SA-025"
    assert {grid.blamed[2].code, grid.blamed[3].code} == {"SA-023"}


def test_c4_shares_of_an_earlier_round_are_refused():
    earlier = Grid(RULES)
    earlier.run()
    old = next(raw for stage, i, raw in earlier.sent if (stage, i) == ("unmask", CULPRIT))
    grid = Grid(
        RULES,
        session(round=2),
        to_server=lambda s, i, m: old if (s, i) == ("unmask", CULPRIT) else m,
    )
    aggregate = grid.run()
    assert grid.blamed[CULPRIT].code == "SA-010"
    assert signed(aggregate.ring_sum).tolist() == grid.exact(RULES.ids)


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


def test_c4_a_bad_envelope_names_its_dealer_and_the_round_is_saved():
    rules = policy(5, 0)
    grid = Grid(rules, to_server=corrupt_envelope)
    aggregate = grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-013", CULPRIT)
    assert aggregate.survivors == (2, 3, 4, 5)
    assert signed(aggregate.ring_sum).tolist() == grid.exact(aggregate.survivors)
    for i in aggregate.survivors:
        grid.nodes[i].verify(grid.results[i], aggregate.ring_sum)


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


@pytest.mark.parametrize(("label", "stage"), [("self", "unmask"), ("mask", "mask")])
def test_c4_an_inconsistent_dealer_is_named(monkeypatch, label, stage):
    rules = policy(6, 0)
    dealt_off_the_polynomial(monkeypatch, label, (1, 2, 4, 5))
    grid = Grid(rules, dropped={CULPRIT: stage} if stage == "mask" else {})
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert (refusal.value.code, refusal.value.partner) == ("SA-024", CULPRIT)


def test_c4_a_dealer_with_one_bad_share_does_not_stop_the_round(monkeypatch):
    rules = policy(6, 0)
    dealt_off_the_polynomial(monkeypatch, "self", (1,))
    grid = Grid(rules)
    aggregate = grid.run()
    assert signed(aggregate.ring_sum).tolist() == grid.exact(rules.ids)


def test_c4_a_dealer_that_commits_to_two_secrets_is_refused():
    def tap(stage, partner, raw):
        if (stage, partner) != ("share", CULPRIT):
            return raw
        records = split(raw, record_bytes(share_bytes(RULES)), most=5)
        payload = bytearray(records[0][HEAD:-64])
        payload[2] ^= 1
        records[0] = resigned(records[0], Kind.SHARE, IDENTITIES[CULPRIT], bytes(payload))
        return join(records)

    grid = Grid(RULES, to_server=tap)
    assert CULPRIT not in grid.run().survivors
    assert (grid.blamed[CULPRIT].code, grid.blamed[CULPRIT].partner) == ("SA-024", CULPRIT)


def test_a_partner_cannot_deliver_in_anothers_name():
    grid = Grid(RULES)
    stage = CollectingAdverts(RULES, grid.place)
    raw = grid.nodes[2].advertise()
    with pytest.raises(Refusal) as refusal:
        stage.receive(CULPRIT, raw)
    assert (refusal.value.code, refusal.value.partner) == ("SA-030", CULPRIT)


def test_a_second_different_message_is_refused_and_a_repeated_one_is_not():
    grid = Grid(RULES)
    stage = CollectingAdverts(RULES, grid.place)
    raw = grid.nodes[2].advertise()
    stage.receive(2, raw)
    stage.receive(2, raw)
    other = participant(2, RULES, session()).advertise()
    with pytest.raises(Refusal) as refusal:
        stage.receive(2, other)
    assert refusal.value.code == "SA-030"


# --- at most one sum a round --------------------------------------------------------------------


def test_two_sums_of_a_round_would_need_more_honest_partners_than_there_are():
    """2 (t - c) > N - c: revealers of two sessions of one round cannot be disjoint."""
    for n in range(3, 40):
        for colluders in range(n // 3 + 1):
            t = (n + colluders) // 2 + 1
            if max(t, colluders + 2) <= n:
                assert policy(n, colluders).threshold == t
            assert 2 * (t - colluders) > n - colluders


def test_a_retry_after_a_partial_unmask_opens_nothing_more():
    """The coordinator gets shares from just t nodes, claims failure and retries with the others."""
    rules = policy(7, 2)
    stores = {i: MemoryLockStore() for i in rules.ids}
    first = {i: participant(i, rules, session(), lock_store=stores[i]) for i in rules.ids}
    later = dict.fromkeys(rules.ids[rules.threshold :], "unmask")
    Grid(rules, nodes=first, dropped=later).run()
    second = session(attempt=1)
    nodes = {i: participant(i, rules, second, lock_store=stores[i]) for i in rules.ids}
    grid = Grid(rules, second, nodes=nodes)
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == "SA-009"
    assert len(grid.refused) == rules.threshold


def test_no_two_opened_sets_for_any_split_of_signers():
    """Exhaustive for N = 7, c = 2: two survivor sets cannot both gather t signatures."""
    rules = policy(7, 2)
    honest = [i for i in rules.ids if i > rules.colluders]
    for size in range(len(honest) + 1):
        for side in combinations(honest, size):
            other = len(honest) - len(side)
            both = min(len(side), other) + rules.colluders >= rules.threshold
            assert not both


def test_cohort_context_differs_with_everything_that_it_binds():
    grid = Grid(RULES)
    raw = [grid.nodes[i].advertise() for i in RULES.ids]
    contexts = set()
    for place in (session(), session(round=2), session(attempt=1), session(run_id=b"s" * 16)):
        nodes = {i: participant(i, RULES, place) for i in RULES.ids}
        adverts, roster = build_roster([nodes[i].advertise() for i in RULES.ids], RULES, place)
        contexts |= {cohorts(adverts, roster, RULES, place)[0].context}
    adverts, roster = build_roster(raw, RULES, session())
    for place in (session(plan_hash=b"x" * 32), session(model_hash=b"x" * 32)):
        contexts |= {cohorts(adverts, roster, RULES, place)[0].context}
    contexts |= {cohorts(adverts, b"x" * 32, RULES, session())[0].context}
    assert len(contexts) == 7


def test_survivor_frames_of_another_session_are_refused():
    other = frame(Kind.SURVIVOR_SET, RULES, bytes(32), bitmap(RULES, RULES.ids))
    assert refusal_after_upload(at("sign", lambda _: other)).code == "SA-010"


def test_signature_records_have_the_documented_size():
    assert record_bytes(SURVIVORS_BYTES) == 104 + 64
