"""A node repeats itself after lost answers and crashes, and never says two different things."""

from __future__ import annotations

import numpy as np
import pytest

from shared.secagg import (
    CollectingAdverts,
    FileLockStore,
    MemoryLockStore,
    Participant,
    Refusal,
    Requirements,
    Suite,
)
from shared.secagg.codec import join
from shared.secagg.fixed_point import signed
from shared.secagg.locks import RoundLock
from tests.shared.secagg.grid import IDENTITIES, Grid, keys, participant, policy, session

RULES = policy(4, 0, word_limits=(50,))


class Restarting(Participant):
    """A node whose process is replaced by one resumed from its snapshot after every step."""

    def reborn(self):
        return Participant.resume(
            self.snapshot(),
            policy=self._seat.policy,
            session=self._seat.session,
            identity=self._seat.identity,
            requirements=Requirements(pinned=dict(self._seat.policy.partners)),
            lock_store=self._locks,
        )


@pytest.mark.parametrize("suite", list(Suite))
def test_a_node_that_restarts_between_all_stages_completes_the_round(suite, tmp_path):
    rules = policy(4, 0, word_limits=(50,), suite=suite)
    grid = Grid(rules)
    grid.nodes[2] = participant(2, rules, session(), lock_store=FileLockStore(tmp_path))
    restarts = []

    def restart(stage, partner, message):
        if partner == 2:
            restarts.append(stage)
            grid.nodes[2] = Restarting.reborn(grid.nodes[2])
        return message

    grid.to_node = restart
    aggregate = grid.run()
    grid.nodes[2] = Restarting.reborn(grid.nodes[2])
    assert restarts == ["advertise", "share", "mask", "sign", "unmask"]
    assert aggregate.survivors == rules.ids
    assert signed(aggregate.ring_sum).tolist() == grid.exact(rules.ids)
    assert grid.nodes[2].verify(grid.results[2], aggregate.ring_sum).survivors == rules.ids
    assert grid.nodes[2].stage == "Done"


@pytest.mark.parametrize("suite", [Suite.X25519_AES256, Suite.HYBRID_AES256])
def test_a_resumed_node_repeats_every_answer_byte_for_byte(suite):
    rules = policy(4, 0, word_limits=(50,), suite=suite)
    received = {}

    def keep(stage, partner, message):
        if partner == 2:
            received[stage] = message
        return message

    grid = Grid(rules, to_node=keep)
    grid.run()
    again = Restarting.reborn(grid.nodes[2])
    answers = {stage: answer for stage, i, answer in grid.sent if i == 2}
    assert again.advertise() == answers["advertise"]
    assert again.share(received["share"]) == answers["share"]
    upload = again.mask(grid.updates[2], grid.words[2])
    assert upload.header == answers["mask"].header
    assert (upload.vector == answers["mask"].vector).all()
    assert again.sign_survivors(received["sign"]) == answers["sign"]
    assert again.unmask(received["unmask"]) == answers["unmask"]


def test_the_lock_is_stored_before_each_answer_is_returned():
    """A store that fails keeps every guarded message inside the node."""

    class Broken(MemoryLockStore):
        def swap(self, key, old, new):
            lock = RoundLock.parse(new)
            if lock.revealed or lock.survivors != bytes(32) or self.fail == "early":
                raise Refusal("disk full")
            super().swap(key, old, new)

    for fail in ("early", "late"):
        store = Broken()
        store.fail = fail
        grid = Grid(RULES)
        grid.nodes[2] = participant(2, RULES, session(), lock_store=store)
        grid.run()
        sent = [stage for stage, i, _ in grid.sent if i == 2]
        assert sent == ([] if fail == "early" else ["advertise", "share", "mask"])
        assert not grid.nodes[2].revealed


def test_a_lock_that_was_rolled_back_is_noticed():
    store = MemoryLockStore()
    grid = Grid(RULES)
    grid.nodes[2] = participant(2, RULES, session(), lock_store=store)
    early = {}

    def keep(stage, partner, message):
        if (stage, partner) == ("share", 2):
            early.update(store._locks)
        return message

    grid.to_node = keep
    grid.run()
    store._locks = early
    with pytest.raises(Refusal) as refusal:
        Restarting.reborn(grid.nodes[2])
    assert refusal.value.code == "SA-031"


def test_a_damaged_or_foreign_snapshot_is_refused():
    node = participant(2, RULES, session())
    node.advertise()
    raw = node.snapshot()
    options = {
        "policy": RULES,
        "identity": IDENTITIES[2],
        "requirements": Requirements(pinned=keys(RULES.ids)),
        "lock_store": MemoryLockStore(),
    }
    for damaged in (raw[:-1], raw[:50] + bytes([raw[50] ^ 1]) + raw[51:], b""):
        with pytest.raises(Refusal) as refusal:
            Participant.resume(damaged, session=session(), **options)
        assert refusal.value.code == "SA-031"
    with pytest.raises(Refusal) as refusal:
        Participant.resume(raw, session=session(round=9), **options)
    assert refusal.value.code == "SA-031"
    assert "another session" in refusal.value.problem


def test_a_refused_message_leaves_the_node_ready_for_the_right_one():
    grid = Grid(RULES)
    adverts = [grid.nodes[i].advertise() for i in RULES.ids]
    node = grid.nodes[1]
    for bad in (b"", join(adverts[1:]), join(adverts[:2])):
        with pytest.raises(Refusal):
            node.share(bad)
        assert node.stage == "Sharing"
    node.share(join(adverts))
    assert node.stage == "Receiving"


def test_steps_out_of_order_are_refused():
    node = participant(1, RULES, session())
    steps = (
        lambda: node.share(b""),
        lambda: node.accept(b""),
        lambda: node.mask(np.zeros(6, np.float32), (1,)),
        lambda: node.sign_survivors(b""),
        lambda: node.unmask(b""),
        lambda: node.verify(b"", np.zeros(6, np.uint32)),
        node.audit_secrets,
    )
    for step in steps:
        with pytest.raises(Refusal) as refusal:
            step()
        assert refusal.value.code == "SA-030"


def test_a_node_outside_the_policy_or_with_another_key_is_refused():
    for identity in (IDENTITIES[9], type(IDENTITIES[1])(partner=1, key=IDENTITIES[2].key)):
        with pytest.raises(Refusal) as refusal:
            participant(1, RULES, session(), identity=identity)
        assert refusal.value.code == "SA-030"


def test_two_runs_at_the_same_time_do_not_meet():
    stores = {i: MemoryLockStore() for i in RULES.ids}
    for run in (b"a" * 16, b"b" * 16):
        place = session(run_id=run)
        nodes = {i: participant(i, RULES, place, lock_store=stores[i]) for i in RULES.ids}
        grid = Grid(RULES, place, nodes=nodes)
        assert signed(grid.run().ring_sum).tolist() == grid.exact(RULES.ids)


def test_a_retry_after_too_few_uploads_succeeds_with_fresh_keys():
    stores = {i: MemoryLockStore() for i in RULES.ids}
    first = {i: participant(i, RULES, session(), lock_store=stores[i]) for i in RULES.ids}
    failed = Grid(RULES, nodes=first, dropped={1: "mask", 2: "mask"})
    with pytest.raises(Refusal):
        failed.run()
    place = session(attempt=1)
    nodes = {i: participant(i, RULES, place, lock_store=stores[i]) for i in RULES.ids}
    grid = Grid(RULES, place, nodes=nodes)
    assert signed(grid.run().ring_sum).tolist() == grid.exact(RULES.ids)


def test_secrets_do_not_show_in_representations():
    node = participant(1, RULES, session(), root=b"\x41" * 32)
    node.advertise()
    shown = repr(node._seat) + repr(node._stage.__dict__) + repr(node._snapshot)
    assert "AAAA" not in shown
    assert "4141" not in shown


def test_a_coordinator_that_restarts_replays_its_journal_to_the_same_messages():
    grid = Grid(RULES)
    adverts = {i: node.advertise() for i, node in grid.nodes.items()}
    outcomes = []
    for order in (RULES.ids, RULES.ids[::-1]):
        stage = CollectingAdverts(RULES, grid.place)
        for i in order:
            stage.receive(i, adverts[i])
        outcomes.append(stage.close()[1])
    assert outcomes[0] == outcomes[1]
