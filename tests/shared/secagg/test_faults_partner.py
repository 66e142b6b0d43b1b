"""Faults C1 to C4: a cheating partner meets the real code, and the round goes on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from shared.secagg import CollectingAdverts, Refusal, Suite, Upload
from shared.secagg.codec import Kind, bitmap, join, split
from shared.secagg.fixed_point import signed
from shared.secagg.records import record_bytes, share_bytes, wrap_bytes
from tests.shared.secagg.cheating import (
    CULPRIT,
    HEAD,
    RULES,
    VICTIM,
    corrupt_envelope,
    dealt_off_the_polynomial,
    poisoned,
    resigned,
    wrong_reveal,
)
from tests.shared.secagg.grid import IDENTITIES, Grid, participant, policy, session


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


def test_c3_a_sum_that_a_careless_coordinator_let_pass_is_refused_by_every_node(monkeypatch):
    from shared.secagg.coordinator import opening

    monkeypatch.setattr(opening, "check_sum", lambda *_: None)
    rules = policy(5, 1, length=6, clip=100.0, norm_bound=0.1)
    grid = Grid(rules)
    for i in rules.ids:
        grid.updates[i] = np.full(6, 0.01, np.float32)
    grid.updates[CULPRIT] *= 1000
    aggregate = grid.run()
    for i in rules.ids:
        with pytest.raises(Refusal) as refusal:
            grid.nodes[i].verify(grid.results[i], aggregate.ring_sum)
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


def test_c4_a_bad_envelope_names_its_dealer_and_the_round_is_saved():
    rules = policy(5, 0)
    grid = Grid(rules, to_server=corrupt_envelope)
    aggregate = grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-013", CULPRIT)
    assert aggregate.survivors == (2, 3, 4, 5)
    assert signed(aggregate.ring_sum).tolist() == grid.exact(aggregate.survivors)
    for i in aggregate.survivors:
        grid.nodes[i].verify(grid.results[i], aggregate.ring_sum)


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


@pytest.mark.parametrize("stage", ["share", "mask", "sign", "unmask"])
def test_no_stage_accepts_one_partners_message_from_another(stage):
    """Otherwise a partner could fill another's place, or be blamed for it."""
    kept = {}

    def tap(name, partner, message):
        if name == stage:
            kept[partner] = message
            return kept[2] if partner == CULPRIT else message
        return message

    grid = Grid(RULES, to_server=tap)
    aggregate = grid.run()
    assert grid.blamed[CULPRIT].code == "SA-030"
    assert signed(aggregate.ring_sum).tolist() == grid.exact(aggregate.survivors)


def test_a_complaint_in_anothers_name_is_refused():
    rules = policy(5, 0)
    complaints = []
    grid = Grid(rules, to_server=corrupt_envelope)
    original = grid._receive

    def receive(partner, answer, take):
        if take.__name__ == "complain":
            complaints.append(answer)
            with pytest.raises(Refusal) as refusal:
                take(2, answer)
            assert refusal.value.code == "SA-030"
        original(partner, answer, take)

    grid._receive = receive
    grid.run()
    assert len(complaints) == 1


def test_a_complaint_about_an_envelope_that_was_not_dealt_is_refused():
    rules = policy(5, 0)
    grid = Grid(rules, to_server=corrupt_envelope)
    original, codes = grid._receive, []

    def receive(partner, answer, take):
        if take.__name__ == "complain":
            for payload in (b"\2\0" + bytes(32), b"\x63\0" + answer[42:-64]):
                other = resigned(answer, Kind.COMPLAINT, IDENTITIES[partner], payload, rules)
                with pytest.raises(Refusal) as refusal:
                    take(partner, other)
                codes.append(refusal.value.code)
            assert take.__self__.complaints == {}
        original(partner, answer, take)
        if take.__name__ == "complain":
            assert take.__self__.complaints == {VICTIM: CULPRIT}

    grid._receive = receive
    grid.run()
    assert codes == ["SA-002", "SA-002"]


@pytest.mark.parametrize("out", [np.zeros(5, "<u4"), np.zeros(6, "<u2")], ids=str)
def test_an_output_array_of_another_shape_or_type_is_refused(out):
    grid = Grid(RULES)
    original = grid.nodes[VICTIM].mask
    grid.nodes[VICTIM].mask = lambda update, words, **_: original(update, words, out=out)
    grid.run()
    assert grid.refused[VICTIM].code == "SA-026"


@pytest.mark.parametrize("envelope_of", ["self", "nobody in the roster"])
def test_an_envelope_from_outside_the_others_is_refused(envelope_of):
    rules = policy(6, 0)
    size = record_bytes(share_bytes(rules))
    stranger = VICTIM if envelope_of == "self" else 6

    def tap(stage, partner, message):
        if (stage, partner) != ("mask", VICTIM):
            return message
        records = split(message, size, most=6)
        forged = resigned(records[0], Kind.SHARE, IDENTITIES[stranger], records[0][HEAD:-64], rules)
        return join(sorted([forged, *records[1:]], key=lambda raw: raw[38:40]))

    grid = Grid(rules, to_node=tap, dropped={6: "advertise"})
    grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-005", stranger)


def test_an_envelope_for_another_holder_is_refused():
    size = record_bytes(share_bytes(RULES))
    kept = {}

    def tap(stage, partner, raw):
        if stage == "share":
            kept[partner] = split(raw, size, most=5)
        return raw

    def swap(stage, partner, message):
        if (stage, partner) != ("mask", VICTIM):
            return message
        records = split(message, size, most=5)
        records[1] = kept[CULPRIT][1]
        return join(records)

    grid = Grid(RULES, to_server=tap, to_node=swap)
    grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-002", CULPRIT)


def test_an_upload_masked_for_other_sharers_is_refused():
    def tap(stage, partner, upload):
        if (stage, partner) != ("mask", CULPRIT):
            return upload
        payload = bitmap(RULES, (1, 2, 3, 4)) + upload.header[HEAD + 32 : -64]
        header = resigned(upload.header, Kind.UPLOAD, IDENTITIES[CULPRIT], payload)
        return Upload(header=header, vector=upload.vector)

    grid = Grid(RULES, to_server=tap)
    assert CULPRIT not in grid.run().survivors
    assert grid.blamed[CULPRIT].code == "SA-026"
    assert "other sharers" in grid.blamed[CULPRIT].problem


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ("advertise", "SA-009"),
        ("share", "SA-009"),
        ("mask", "SA-017"),
        ("sign", "SA-019"),
        ("unmask", "SA-025"),
    ],
)
def test_the_coordinator_itself_stops_where_too_few_are_left(stage, code):
    grid = Grid(RULES, dropped={4: stage, 5: stage})
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert refusal.value.code == code
    assert grid.refused == {}, "no node was asked for what it has to refuse"


def test_wrapped_secrets_of_another_partner_are_refused():
    rules = policy(5, 1, suite=Suite.HYBRID_AES256)
    size = record_bytes(wrap_bytes(5))
    kept = {}

    def tap(stage, partner, raw):
        if stage != "share":
            return raw
        kept[partner] = raw[-size:]
        return raw[:-size] + kept[2] if partner == CULPRIT else raw

    grid = Grid(rules, to_server=tap)
    assert CULPRIT not in grid.run().survivors
    assert grid.blamed[CULPRIT].code == "SA-030"


def test_a_dropped_dealer_that_wrapped_other_secrets_is_named(monkeypatch):
    from shared.secagg import dealing

    original = dealing._wrap

    def wrap(dealer, sent):
        swapped = {i: bytes(32) for i in sent} if dealer.me == CULPRIT else sent
        return original(dealer, swapped)

    monkeypatch.setattr(dealing, "_wrap", wrap)
    grid = Grid(policy(5, 0, suite=Suite.HYBRID_AES256), dropped={CULPRIT: "mask"})
    with pytest.raises(Refusal) as refusal:
        grid.run()
    assert (refusal.value.code, refusal.value.partner) == ("SA-024", CULPRIT)


def test_kem_secrets_that_do_not_match_their_commitment_name_their_dealer(monkeypatch):
    from shared.secagg import keys as agreed

    original = agreed.kem_commitment

    def commitment(secret, context, dealer, holder):
        wrong = (dealer, holder) == (CULPRIT, VICTIM) and commitment.first
        commitment.first = commitment.first and not wrong
        return bytes(32) if wrong else original(secret, context, dealer, holder)

    commitment.first = True
    monkeypatch.setattr(agreed, "kem_commitment", commitment)
    grid = Grid(policy(5, 0, suite=Suite.HYBRID_AES256))
    grid.run()
    assert (grid.refused[VICTIM].code, grid.refused[VICTIM].partner) == ("SA-013", CULPRIT)


@pytest.mark.parametrize("words", [(), (1, 2)])
def test_another_number_of_words_is_refused_at_the_node(words):
    grid = Grid(RULES)
    grid.words[CULPRIT] = words
    assert CULPRIT not in grid.run().survivors
    assert grid.refused[CULPRIT].code == "SA-021"
