"""The coordinator signs cards of finished runs only, and a withdrawal is final."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from server.app import REPORTS, store_plan
from server.checkpoint import UnsignedCheckpointError
from server.cli import app as cli
from server.home import CoordinatorHome
from server.releases import (
    NotReleasedError,
    UnfinishedReleaseError,
    checkpoints_of,
    promote,
    release_state,
    withdraw,
)
from server.run_state import NoRunError, RunState, write_state
from shared.documents import check_signature
from shared.files import write_json
from shared.keyfile import create_identity, load_identity, public_bytes
from shared.optimiser import ServerState
from shared.plan import PrivacyTerms
from shared.release_card import code_digest, contract_digest, model_digest, statistics_digest
from shared.statistics import StatisticsTerms
from tests.federation import MODEL
from tests.plans import make_plan

PLAN = make_plan((64, 100), rounds=2, privacy=PrivacyTerms(epsilon=2.0), model=MODEL)


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    home = CoordinatorHome(tmp_path)
    key = create_identity(home.identity)
    directory = home.run(PLAN.run_id)
    store_plan(directory, PLAN, PLAN.sign(key))
    reports = [{"round": 1, "survivors": [1]}, {"round": 1, "survivors": [1, 2]},
               {"round": 2, "survivors": [1, 2], "sum": "cd" * 32}]  # fmt: skip
    write_json(directory / REPORTS, reports)
    return home


def _finish(home: CoordinatorHome, rounds: int = 2) -> ServerState:
    state = ServerState.start(PLAN)
    checkpoints = checkpoints_of(home, PLAN.run_id)
    for number in range(rounds + 1):
        checkpoints.save(number, state)
    return state


def test_a_card_says_what_can_be_checked(home: CoordinatorHome) -> None:
    state = _finish(home)
    card, _ = promote(home, PLAN.run_id)
    check_signature(card, public_bytes(load_identity(home.identity)))
    assert card.model == model_digest(state.model)
    assert card.contract == contract_digest()
    assert (card.code, card.verified_sum) == (code_digest(), "cd" * 32)
    assert (card.smallest_cohort, card.partners, card.round) == (2, 2, 2)
    assert card.statistics is None
    assert card.epsilon == 2.0
    assert card.delta == (100**-1.1, 64**-1.1)


def test_a_card_names_the_statistics_of_its_run(tmp_path: Path) -> None:
    home = CoordinatorHome(tmp_path)
    terms = StatisticsTerms(clusters=5, frequent=5)
    plan = PLAN.model_copy(update={"statistics": terms})
    store_plan(home.run(plan.run_id), plan, plan.sign(create_identity(home.identity)))
    write_json(home.run(plan.run_id) / REPORTS, [])
    state = ServerState.start(plan)
    counted = replace(state, counts=state.counts + np.float32(2))
    checkpoints_of(home, plan.run_id).save(2, counted)
    card, _ = promote(home, plan.run_id)
    assert card.statistics == statistics_digest(plan, counted.counts)
    assert card.statistics != statistics_digest(plan, state.counts)


def test_an_unfinished_run_is_not_released(home: CoordinatorHome) -> None:
    with pytest.raises(UnfinishedReleaseError):
        promote(home, PLAN.run_id)
    _finish(home, rounds=1)
    with pytest.raises(UnfinishedReleaseError):
        promote(home, PLAN.run_id)
    assert release_state(home, PLAN.run_id) == "candidate"


@pytest.mark.parametrize("name", ["", "ff" * 16, "../../etc"])
def test_a_run_that_is_not_there_is_refused(home: CoordinatorHome, name: str) -> None:
    with pytest.raises(NoRunError):
        promote(home, name)


def test_a_withdrawal_is_final(home: CoordinatorHome) -> None:
    _finish(home)
    with pytest.raises(NotReleasedError):
        withdraw(home, PLAN.run_id, "too early")
    promote(home, PLAN.run_id)
    withdraw(home, PLAN.run_id, "a bug")
    assert release_state(home, PLAN.run_id) == "withdrawn"
    with pytest.raises(NotReleasedError):
        promote(home, PLAN.run_id)


@pytest.mark.parametrize("named", [[PLAN.run_id], []])
def test_checkpoints_of_an_earlier_version_are_signed_by_command_only(
    home: CoordinatorHome, named: list[str]
) -> None:
    """Of the run that is named, or else of the current one."""
    state = ServerState.start(PLAN)
    tensors = {name: getattr(state, name) for name in ("average", "model", "velocity")}
    write_json(home.current, {"run_id": PLAN.run_id})
    write_state(home, RunState(run_id=PLAN.run_id, state="failed"))
    facts = {"format": "1", "plan": PLAN.digest().hex(), "round": "2"}
    path = checkpoints_of(home, PLAN.run_id).path(2)
    save_file(tensors, path, metadata=facts)
    with pytest.raises(UnsignedCheckpointError):
        promote(home, PLAN.run_id)
    home.settings.write_text("")  # what says that a coordinator is here
    command = ["resume", *named, "--sign-checkpoints", "--home", str(home.root)]
    said = CliRunner().invoke(cli, command)
    assert "1 checkpoints" in said.output
    assert promote(home, PLAN.run_id)[0].model == model_digest(state.model)
