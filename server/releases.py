"""Releases at the coordinator: sign the card of a finished run, or take it back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.app import REPORTS, load_plan
from server.checkpoint import Checkpoints
from server.home import CoordinatorHome
from server.run_state import NoRunError
from shared.documents import read_document, signed, write_document
from shared.errors import FederationError
from shared.files import read_json
from shared.keyfile import load_identity
from shared.release_card import ReleaseCard, Withdrawal, make_card


class NotReleasedError(FederationError):
    """There is no card of this run that could be withdrawn, or it was withdrawn already."""

    code = "FED-220"
    default_remedy = "isthmus-coordinator releases lists the runs and their states"


class UnfinishedReleaseError(FederationError):
    """The run is not finished, so nodes do not agree on its model yet."""

    code = "FED-221"
    default_remedy = "wait until isthmus-coordinator status says that it is finished"


def promote(home: CoordinatorHome, run_id: str) -> tuple[ReleaseCard, Path]:
    """Sign the card of a finished run; returns it and the file to hand to all partners.

    Raises
    ------
    NoRunError, UnfinishedReleaseError, NotReleasedError
    CheckpointError, ForgedCheckpointError, UnsignedCheckpointError
    """
    directory = _directory(home, run_id)
    plan, _ = load_plan(directory)
    if withdrawal_path(home, run_id).exists():
        raise NotReleasedError("a withdrawn model stays withdrawn", where=f"run {run_id}")
    newest = checkpoints_of(home, run_id).newest()
    if newest is None or newest[0] < plan.rounds:
        done = newest[0] if newest else 0
        raise UnfinishedReleaseError(f"{done} of {plan.rounds} rounds", where=f"run {run_id}")
    number, state = newest
    card = make_card(
        plan,
        state.released(plan),
        round_number=number,
        counts=state.counts,
        smallest_cohort=_smallest_cohort(directory),
        verified_sum=_sum_of(directory, plan.rounds),
        issued=_now(),
    )
    card = signed(card, load_identity(home.identity))
    write_document(card, card_path(home, run_id))
    return card, card_path(home, run_id)


def withdraw(home: CoordinatorHome, run_id: str, reason: str) -> tuple[Withdrawal, Path]:
    """Sign the withdrawal of a released model; returns it and the file to hand to all partners.

    Raises
    ------
    NoRunError, NotReleasedError
    """
    _directory(home, run_id)
    if not card_path(home, run_id).exists() or withdrawal_path(home, run_id).exists():
        raise NotReleasedError("nothing to withdraw", where=f"run {run_id}")
    card = read_document(ReleaseCard, card_path(home, run_id))
    notice = Withdrawal(run_id=run_id, model=card.model, reason=reason, issued=_now())
    notice = signed(notice, load_identity(home.identity))
    write_document(notice, withdrawal_path(home, run_id))
    return notice, withdrawal_path(home, run_id)


def release_state(home: CoordinatorHome, run_id: str) -> str:
    """``candidate``, ``promoted`` or ``withdrawn``."""
    if withdrawal_path(home, run_id).exists():
        return "withdrawn"
    return "promoted" if card_path(home, run_id).exists() else "candidate"


def checkpoints_of(home: CoordinatorHome, run_id: str) -> Checkpoints:
    """The checkpoints of a run.

    Raises
    ------
    NoRunError, IdentityFileError
    """
    directory = _directory(home, run_id)
    plan, _ = load_plan(directory)
    return Checkpoints(directory / "checkpoints", plan.digest(), load_identity(home.identity))


def card_path(home: CoordinatorHome, run_id: str) -> Path:
    """Where the card of a run stands."""
    return home.documents / f"release-{run_id}.json"


def withdrawal_path(home: CoordinatorHome, run_id: str) -> Path:
    """Where the withdrawal of a run's model stands."""
    return home.documents / f"withdrawal-{run_id}.json"


def _directory(home: CoordinatorHome, run_id: str) -> Path:
    directory = home.run(run_id)
    if not run_id.isalnum() or not (directory / "plan.json").exists():
        raise NoRunError(f"there is no run {run_id!r}", where=str(home.runs))
    return directory


def _smallest_cohort(directory: Path) -> int:
    """Fewest survivors of a round of training; 0 if one was lost."""
    reports: list[dict[str, Any]] = read_json(directory / REPORTS)
    survivors: dict[int, int] = {}
    for report in reports:
        number = int(report["round"])
        if number < 1:  # statistics are not in the model
            continue
        survivors[number] = max(survivors.get(number, 0), len(report["survivors"]))
    return min(survivors.values(), default=0)


def _sum_of(directory: Path, number: int) -> str | None:
    """Digest of the sum of a round; None if the round was lost or ran before sums were noted."""
    reports: list[dict[str, Any]] = read_json(directory / REPORTS)
    sums = [r.get("sum") for r in reports if r["round"] == number and r["survivors"]]
    return sums[-1] or None if sums else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
