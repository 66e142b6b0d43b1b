"""Whole rounds: real nodes and coordinator, messages through the in-process grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.optimiser import ServerState
from shared.plan import Aggregation, LocalSteps, PrivacyTerms, TrainingPlan
from tests.federation import MODEL, Federation
from tests.plans import make_plan


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
