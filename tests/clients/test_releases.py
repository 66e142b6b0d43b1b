"""A release is used only if the node computed the very model that the signed card names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from clients.approvals import Approvals, UnknownPlanError
from clients.cli import app as cli
from clients.global_model import GlobalModel
from clients.policy import write_policy
from clients.releases import (
    DamagedReleaseError,
    ReleaseRefusedError,
    ReleaseShelf,
    UnknownReleaseError,
)
from shared.documents import DocumentError, SignedDocument, signed, write_document
from shared.optimiser import ServerState
from shared.plan import LocalSteps, PrivacyTerms, TrainingPlan
from shared.release_card import (
    ReleaseCard,
    Withdrawal,
    code_digest,
    make_card,
    model_digest,
    statistics_digest,
)
from shared.statistics import StatisticsTerms
from tests.federation import MODEL, Federation, readable_by_others
from tests.plans import KEY, identity, make_plan

ISSUED = "2026-01-02T03:04:05+00:00"


class Finished:
    """A finished run and what the coordinator may say of it."""

    def __init__(self, root: Path, statistics: StatisticsTerms | None = None) -> None:
        self.root = root
        self.plan: TrainingPlan = make_plan(
            rounds=1,
            privacy=PrivacyTerms(epsilon=8.0) if statistics else None,
            model=MODEL,
            local=LocalSteps(steps=1, batch_users=16),
            statistics=statistics,
        )
        federation = Federation(self.plan, root / "run", allow_statistics=statistics is not None)
        self.final: ServerState = federation.run()
        self.sum = federation.reports[-1].sum
        self.node = federation.nodes[1]
        write_policy(self.node.home, self.node.policy)
        self.shelf = ReleaseShelf(self.node.home)

    def card(self, **changes: object) -> ReleaseCard:
        card = make_card(
            self.plan,
            self.final.model,
            round_number=1,
            smallest_cohort=3,
            counts=self.final.counts,
            verified_sum=self.sum,
            issued=ISSUED,
        )
        return card.model_copy(update=changes)

    def file(self, document: SignedDocument, key: object = KEY) -> Path:
        path = self.root / "document.json"
        write_document(signed(document, key), path)  # type: ignore[arg-type]
        return path

    def withdrawal(self) -> Withdrawal:
        model = model_digest(self.final.model)
        return Withdrawal(run_id=self.plan.run_id, model=model, reason="a bug", issued=ISSUED)


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    return Finished(tmp_path)


@pytest.fixture
def counted(tmp_path: Path) -> Finished:
    """A run that released statistics before its round."""
    return Finished(tmp_path, StatisticsTerms(clusters=5, frequent=5))


def test_the_nodes_own_model_is_used_once_its_card_is_signed(finished: Finished) -> None:
    finished.shelf.accept(finished.file(finished.card()))
    release = finished.shelf.current()
    assert release is not None
    assert finished.shelf.model(release).tolist() == finished.final.model.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "00" * 32},
        {"round": 2},
        {"contract": "00" * 32},
        {"verified_sum": "00" * 32},
        {"statistics": "00" * 32},
        {"purpose": "another"},
        {"partners": 4},
        {"smallest_cohort": 4},
        {"epsilon": 1.0},
        {"delta": (0.0, 0.0)},
        {"noise": "local"},
        {"parameters": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_card_that_does_not_fit_is_refused(
    finished: Finished, changes: dict[str, object]
) -> None:
    """A4 and S7: the card of a different model changes nothing here."""
    with pytest.raises(ReleaseRefusedError):
        finished.shelf.accept(finished.file(finished.card(**changes)))
    assert finished.shelf.current() is None


def test_a_card_of_a_plan_that_never_came_here_is_refused(finished: Finished) -> None:
    with pytest.raises(UnknownPlanError):
        finished.shelf.accept(finished.file(finished.card(plan="00" * 32)))


def test_a_cohort_larger_than_the_last_sum_is_refused(finished: Finished) -> None:
    """Among three partners only two were in the sum that this node verified."""
    path = finished.node.home.run(finished.plan.run_id) / "state.safetensors"
    with safe_open(path, framework="numpy") as file:
        facts = {**file.metadata(), "cohort": "2"}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata=facts)
    with pytest.raises(ReleaseRefusedError, match="but 2 in the last round"):
        finished.shelf.accept(finished.file(finished.card()))


def test_what_was_compared_is_said(finished: Finished) -> None:
    said = finished.shelf.accept(finished.file(finished.card()))
    assert "computed from a sum that it verified" in said
    assert "code" not in said
    said = finished.shelf.accept(finished.file(finished.card(code="ab" * 32)))
    assert f"the coordinator's code is {'ab' * 8}, here {code_digest()[:16]}" in said


def test_a_received_state_is_not_called_verified(finished: Finished) -> None:
    path = finished.node.home.run(finished.plan.run_id) / "state.safetensors"
    GlobalModel(finished.plan, path).replace(1, finished.final.flat())
    said = finished.shelf.accept(finished.file(finished.card()))
    assert "took no part in the last round" in said


def test_a_card_of_the_first_version_is_still_accepted(finished: Finished) -> None:
    card = finished.card(version=1, code=None, verified_sum=None)
    finished.shelf.accept(finished.file(card))
    assert finished.shelf.current() is not None


def test_statistics_are_those_that_the_card_names(counted: Finished) -> None:
    counted.shelf.accept(counted.file(counted.card()))
    release = counted.shelf.current()
    assert release is not None
    assert release.card.statistics == statistics_digest(counted.plan, counted.final.counts)
    kept = counted.shelf.statistics(release).counts
    assert kept.tolist() == counted.final.counts.tolist()


@pytest.mark.parametrize("named", ["00" * 32, None])
def test_a_card_that_names_other_statistics_or_none_is_refused(
    counted: Finished, named: str | None
) -> None:
    with pytest.raises(ReleaseRefusedError, match="other statistics"):
        counted.shelf.accept(counted.file(counted.card(statistics=named)))
    assert counted.shelf.current() is None


def test_a_card_of_the_second_version_names_no_statistics_and_is_still_accepted(
    counted: Finished,
) -> None:
    counted.shelf.accept(counted.file(counted.card(version=2, statistics=None)))
    release = counted.shelf.current()
    assert release is not None
    assert len(counted.shelf.statistics(release).counts)


def test_altered_statistics_are_noticed(counted: Finished) -> None:
    counted.shelf.accept(counted.file(counted.card()))
    release = counted.shelf.current()
    assert release is not None
    path = counted.node.home.root / "releases" / f"{release.name}.safetensors"
    kept = load_file(path)
    save_file({**kept, "counts": kept["counts"] + np.float32(1)}, path)
    with pytest.raises(DamagedReleaseError, match="other statistics"):
        counted.shelf.statistics(release)


def test_a_card_that_another_key_signed_is_refused(finished: Finished) -> None:
    with pytest.raises(DocumentError):
        finished.shelf.accept(finished.file(finished.card(), identity(7)))


def test_a_card_of_a_plan_that_is_no_longer_approved_is_refused(finished: Finished) -> None:
    Approvals(finished.node.home.approvals).withdraw(finished.plan.digest().hex())
    with pytest.raises(ReleaseRefusedError):
        finished.shelf.accept(finished.file(finished.card()))


def test_a_file_that_is_no_card_is_refused(finished: Finished) -> None:
    path = finished.root / "document.json"
    for text in ("", "[]", "{}", '{"reason": 1}'):
        path.write_text(text)
        with pytest.raises(Exception, match=r"\[(FED|CFG)-"):
            finished.shelf.accept(path)


def test_a_withdrawn_release_is_out_and_stays_out(finished: Finished) -> None:
    finished.shelf.accept(finished.file(finished.card()))
    finished.shelf.accept(finished.file(finished.withdrawal()))
    assert finished.shelf.current() is None
    with pytest.raises(ReleaseRefusedError, match="a bug"):
        finished.shelf.accept(finished.file(finished.card()))


def test_a_withdrawal_that_another_key_signed_changes_nothing(finished: Finished) -> None:
    finished.shelf.accept(finished.file(finished.card()))
    with pytest.raises(DocumentError):
        finished.shelf.accept(finished.file(finished.withdrawal(), identity(7)))
    assert finished.shelf.current() is not None


def test_rolling_back_goes_to_the_release_before(finished: Finished) -> None:
    finished.shelf.accept(finished.file(finished.card()))
    left, now = finished.shelf.roll_back("worse on the hold-out")
    assert (left.name, now) == (finished.plan.run_id, None)
    with pytest.raises(UnknownReleaseError):
        finished.shelf.roll_back("again")


def test_what_a_node_keeps_of_runs_and_releases_is_for_its_owner_alone(finished: Finished) -> None:
    finished.shelf.accept(finished.file(finished.card()))
    assert finished.node.home.policy.exists()
    assert readable_by_others(finished.node.home) == []


def test_a_damaged_model_file_is_noticed(finished: Finished) -> None:
    finished.shelf.accept(finished.file(finished.card()))
    release = finished.shelf.current()
    assert release is not None
    path = finished.node.home.root / "releases" / f"{release.name}.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(DamagedReleaseError):
        finished.shelf.model(release)


def test_the_commands_accept_list_and_roll_back(finished: Finished) -> None:
    home, run = ["--home", str(finished.node.home.root)], CliRunner()
    assert "none in use" in run.invoke(cli, ["releases", *home]).output
    path = str(finished.file(finished.card()))
    assert "in use" in run.invoke(cli, ["releases", "accept", path, *home]).output
    assert "* " in run.invoke(cli, ["releases", *home]).output
    said = run.invoke(cli, ["releases", "rollback", "--reason", "test", *home])
    assert "is out" in said.output
