"""Whole rounds: real nodes and coordinator, messages through the in-process grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from shared.optimiser import ServerState
from shared.plan import Aggregation, LocalSteps, PrivacyTerms, TrainingPlan
from shared.wire import RELEASE, SHARE, SURVIVORS, UNMASK
from tests.federation import MODEL, Federation
from tests.plans import distributed_plan, make_plan


def _plan(rounds: int = 2, privacy: PrivacyTerms | None = None, **terms: object) -> TrainingPlan:
    return make_plan(
        rounds=rounds,
        privacy=privacy,
        model=MODEL,
        local=LocalSteps(steps=2, batch_users=16),
        aggregation=Aggregation.model_validate(terms),
    )


@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a process per message"])
def test_coordinator_and_nodes_compute_the_same_model(tmp_path: Path, fresh: bool) -> None:
    federation = Federation(_plan(server_momentum=0.5, averaging=0.5), tmp_path, fresh=fresh)
    final = federation.run()
    start = ServerState.start(federation.plan)
    assert not np.array_equal(final.model, start.model)
    for number, node in federation.nodes.items():
        from clients.global_model import GlobalModel

        path = node.home.run(federation.plan.run_id) / "state.safetensors"
        kept = GlobalModel(federation.plan, path)
        assert kept.round == 2, number
        np.testing.assert_array_equal(kept.state.flat(), final.flat())


def test_the_mean_of_the_updates_is_what_reaches_the_model(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    plan = _plan(rounds=1)
    federation = Federation(plan, tmp_path)
    final = federation.run()
    updates = [
        load_file(n.home.run(plan.run_id) / "update-00001.safetensors")["update"]
        for n in federation.nodes.values()
    ]
    expected = ServerState.start(plan).model + np.mean(updates, axis=0)
    np.testing.assert_allclose(final.model, expected, atol=1e-6)


def test_private_rounds_are_charged_and_stay_within_the_budget(tmp_path: Path) -> None:
    federation = Federation(_plan(rounds=3, privacy=PrivacyTerms(epsilon=4.0)), tmp_path)
    federation.run()
    for node in federation.nodes.values():
        spends = node.ledger().spends()
        assert [s.release.round for s in spends] == [1, 2, 3]
        assert all(s.update for s in spends)
        assert 3.5 < node.ledger().spent() <= 4.0


def test_a_sum_that_was_not_opened_is_not_charged_again(tmp_path: Path) -> None:
    """Its attempt ends without a reveal; the next sends the kept update under the same charge."""
    plan, asked = _plan(rounds=1, privacy=PrivacyTerms(epsilon=4.0)), []

    def lose_below_t(number: int, message: Message) -> Message | None:
        kind, first = message.metadata.message_type, message.metadata.group_id == "1.0"
        if kind == UNMASK:
            asked.append(message.metadata.group_id)
        return None if first and kind == SURVIVORS and number > 1 else message

    failing = Federation(plan, tmp_path / "failing", fault=lose_below_t)
    failing.run()
    assert [report.attempt for report in failing.reports] == [0, 1]
    assert set(asked) == {"1.1"}, "below t nobody is asked for a share"
    smooth = Federation(plan, tmp_path / "smooth")
    smooth.run()
    for number, node in failing.nodes.items():
        assert len(node.ledger().spends()) == 1
        assert node.ledger().spent() == smooth.nodes[number].ledger().spent() <= 4.0


def test_banded_noise_goes_through_whole_rounds_of_restarted_nodes(tmp_path: Path) -> None:
    plan = _plan(rounds=3, privacy=PrivacyTerms(epsilon=4.0, bands=2))
    federation = Federation(plan, tmp_path, fresh=True)
    federation.run()
    for node in federation.nodes.values():
        assert {m.bands for m in node.ledger().history()} == {2}
        assert all(s.update for s in node.ledger().spends())
        assert 3.5 < node.ledger().spent() <= 4.0


def test_no_message_to_the_coordinator_holds_the_update_in_clear(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    from shared.secagg.fixed_point import quantise
    from shared.start import session_policy
    from shared.wire import Parcel

    plan = _plan(rounds=1)
    federation = Federation(plan, tmp_path)
    seen: list[Parcel] = []
    push, pull = federation.grid.push_messages, federation.grid.pull_messages

    def pull_and_look(ids):  # type: ignore[no-untyped-def]
        messages = list(pull(ids))
        seen.extend(Parcel.from_record(m.content) for m in messages if not m.has_error())
        return messages

    federation.grid.pull_messages = pull_and_look  # type: ignore[method-assign]
    federation.run()
    assert push
    policy = session_policy(plan)
    vectors = [p.vector for p in seen if p.vector is not None]
    assert len(vectors) == 3
    for node in federation.nodes.values():
        update = load_file(node.home.run(plan.run_id) / "update-00001.safetensors")["update"]
        clear = np.empty(plan.parameters, np.uint32)
        quantise(update, clip=policy.clip, limit=policy.limit, bits=32, out=clear)
        for vector in vectors:
            assert np.mean(vector == clear) < 0.01


@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a process per message"])
def test_partners_share_the_noise_of_a_round(tmp_path: Path, fresh: bool) -> None:
    from safetensors.numpy import load_file

    from shared.start import session_policy

    plan = distributed_plan(rounds=1, model=MODEL)
    updates = {}

    def look(number: int, message: Message) -> Message:
        path = tmp_path / f"node-{number}" / "runs" / plan.run_id / "update-00001.safetensors"
        if path.exists():
            updates[number] = load_file(path)["update"]
        return message

    federation = Federation(plan, tmp_path, fault=look, fresh=fresh, allow_distributed_noise=True)
    final = federation.run()
    clear = sum(updates.values())
    assert not list(tmp_path.rglob("update-*")), "an update without noise rests no longer"
    noise = (final.model - ServerState.start(plan).model) * 3 - clear
    expected = session_policy(plan).share_noise * 3**0.5
    assert abs(noise.std() / expected - 1) < 0.2
    for node in federation.nodes.values():
        (spend,) = node.ledger().spends()
        assert spend.mechanisms[0].honest == 2  # type: ignore[union-attr]
        assert 7 < node.ledger().spent() <= 8.0


def test_a_second_attempt_at_a_round_sends_the_same_noise(tmp_path: Path) -> None:
    """Otherwise a coordinator that breaks secure aggregation could average it away."""
    plan = distributed_plan(rounds=1, model=MODEL)
    keys: dict[int, set[bytes]] = {}

    def lose_the_first(number: int, message: Message) -> Message | None:
        group = message.metadata.group_id
        noise = tmp_path / f"node-{number}" / "runs" / plan.run_id / "noise.bin"
        if message.metadata.message_type == SURVIVORS:
            keys.setdefault(number, set()).add(noise.read_bytes())
        lost = group == "1.0" and message.metadata.message_type == SURVIVORS
        return None if lost else message

    federation = Federation(plan, tmp_path, fault=lose_the_first, allow_distributed_noise=True)
    federation.run()
    assert [report.attempt for report in federation.reports] == [0, 1]
    assert [len(found) for found in keys.values()] == [1, 1, 1]
    for node in federation.nodes.values():
        assert len(node.ledger().spends()) == 1, "a sum that did not open costs nothing more"


@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a process per message"])
def test_secrets_of_a_session_leave_the_disk_with_its_round_and_locks_stay(
    tmp_path: Path, fresh: bool
) -> None:
    plan = _plan(rounds=2)
    seen = set()

    def look(_number: int, message: Message) -> Message:
        if list(tmp_path.rglob("session.bin")):
            seen.add(message.metadata.message_type)
        return message

    Federation(plan, tmp_path, fault=look, fresh=fresh).run()
    assert {SHARE, UNMASK, RELEASE} <= seen
    assert not list(tmp_path.rglob("session.bin"))
    assert not list(tmp_path.rglob("noise.bin"))
    for number in (1, 2, 3):
        locks = [p for p in (tmp_path / f"node-{number}" / "locks").iterdir() if p.is_file()]
        assert len(locks) >= 2, "one for each round"


def test_a_node_that_never_saw_the_sum_forgets_the_session_with_the_next_round(
    tmp_path: Path,
) -> None:
    def lose(number: int, message: Message) -> Message | None:
        late = message.metadata.message_type in (SURVIVORS, UNMASK)
        return None if number == 4 and message.metadata.group_id == "1.0" and late else message

    plan = make_plan((64,) * 4, rounds=2, privacy=None, model=MODEL)
    federation = Federation(plan, tmp_path, fault=lose)
    federation.run()
    assert federation.reports[0].survivors == (1, 2, 3, 4)
    assert not list(tmp_path.rglob("session.bin"))


def test_no_node_moves_the_model_further_than_the_plans_norm(tmp_path: Path) -> None:
    plan = _plan(rounds=1, update_norm=0.01)
    final = Federation(plan, tmp_path).run()
    moved = final.model - ServerState.start(plan).model
    assert 0 < np.linalg.norm(moved) <= 0.01001


def test_a_round_with_an_update_beyond_the_norm_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(rounds=1, update_norm=0.01)
    monkeypatch.setattr("clients.rounds.scale_to_norm", lambda update, _norm: update * 50)
    final = Federation(plan, tmp_path).run()
    assert np.array_equal(final.model, ServerState.start(plan).model)


@pytest.mark.parametrize("suite", ["x25519-chacha20", "hybrid-aes256", "hybrid-chacha20"])
def test_every_suite_can_be_chosen_by_the_plan(tmp_path: Path, suite: str) -> None:
    federation = Federation(_plan(rounds=1, suite=suite), tmp_path)
    final = federation.run()
    assert not np.array_equal(final.model, ServerState.start(federation.plan).model)


def test_the_small_ring_halves_the_upload_and_gives_the_model_all_the_same(tmp_path: Path) -> None:
    plan = _plan(rounds=2, privacy=PrivacyTerms(epsilon=8.0), ring_bits=16)
    federation = Federation(plan, tmp_path)
    final = federation.run()
    assert np.isfinite(final.model).all()
    (report, _) = federation.reports
    assert report.bytes_up["train.mask"] < 3 * (2 * plan.parameters + 400)
