"""Faults S1 to S10: a cheating coordinator meets the real node, each refusal has a code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.secagg import MemoryLockStore, Refusal, Requirements, SessionPolicy, Suite
from shared.secagg.codec import Kind, bitmap, join, split
from shared.secagg.identity import Identity
from shared.secagg.records import Advert, advert_bytes, record_bytes, reveal_bytes, share_bytes
from tests.shared.secagg.cheating import (
    CULPRIT,
    HEAD,
    KEY_AT,
    RULES,
    VICTIM,
    adverts_of,
    at,
    cheating_advert,
    opened_node,
    refusal_after_upload,
    refusal_at_victim,
    resigned,
    split_view,
    with_advert,
)
from tests.shared.secagg.grid import IDENTITIES, Grid, keys, participant, policy, session


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


def test_s5_a_policy_below_the_nodes_floors_is_refused():
    for demands in ({"min_partners": 6}, {"min_colluders": 2}, {"min_survivors": 5}):
        with pytest.raises(Refusal) as refusal:
            participant(
                1, RULES, session(), requirements=Requirements(pinned=keys(RULES.ids), **demands)
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
    assert refusal_at_victim(with_advert(lambda raw: b"ISA1" + raw[4:])).code == "SA-003"
