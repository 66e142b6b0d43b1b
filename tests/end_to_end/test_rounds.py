"""Whole rounds: real nodes and coordinator, messages through the in-process grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.optimiser import ServerState
from shared.plan import Aggregation, LocalSteps, PrivacyTerms, TrainingPlan
from shared.start import Carried, RoundStart
from tests.federation import MODEL, Federation
from tests.plans import KEY, distributed_plan, make_plan


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
    federation = Federation(plan, tmp_path, fresh=fresh, allow_distributed_noise=True)
    final = federation.run()
    homes = [n.home.run(plan.run_id) for n in federation.nodes.values()]
    clear = sum(load_file(home / "update-00001.safetensors")["update"] for home in homes)
    noise = (final.model - ServerState.start(plan).model) * 3 - clear
    expected = session_policy(plan).share_noise * 3**0.5
    assert abs(noise.std() / expected - 1) < 0.2
    for node in federation.nodes.values():
        (spend,) = node.ledger().spends()
        assert spend.mechanisms[0].honest == 2  # type: ignore[union-attr]
        assert 7 < node.ledger().spent() <= 8.0


def test_a_second_attempt_at_a_round_sends_the_same_noise(tmp_path: Path) -> None:
    """Otherwise a coordinator that breaks secure aggregation could average it away."""
    from clients.rounds import NodeRounds

    plan = distributed_plan(rounds=1, model=MODEL)
    node = Federation(plan, tmp_path, allow_distributed_noise=True).nodes[1]
    keys = []
    for _ in range(2):
        run = NodeRounds(node)._run(_start(plan))
        update = run._contribution.update(1, ServerState.start(plan).model)
        keys.append(run._noise_key(1, update))
    assert keys[0] == keys[1]
    assert run._noise_key(1, update + 1) != keys[0]


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


def _start(plan: TrainingPlan) -> RoundStart:
    return RoundStart(
        round=1,
        attempt=0,
        carried=Carried.NOTHING,
        signature=plan.sign(KEY),
        plan=plan.canonical(),
    )
