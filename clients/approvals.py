"""Approvals: no plan runs at a node before somebody, or a rule that somebody set, said yes to it.

A plan that arrives and was not approved is kept for people to read, and refused. An approval is of
exact bytes: another plan, however similar, has another digest and waits for its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from shared.config import parse
from shared.errors import FederationError
from shared.files import write_atomically
from shared.hashing import digest
from shared.plan import TrainingPlan

MAX_WAITING: Final = 100
"""Plans kept for people to read; the coordinator cannot fill the disk with more."""
Approver = Literal["by-hand", "by-policy"]


class NotApprovedError(FederationError):
    """The plan waits for approval at this node, or its approval was withdrawn."""

    code = "FED-210"
    default_remedy = "read it with isthmus-node plan, then isthmus-node approve DIGEST, or leave it"


class UnknownPlanError(FederationError):
    """No plan, or more than one, whose digest begins like this."""

    code = "FED-211"
    default_remedy = "isthmus-node plan lists the plans that this node knows"


class TooManyPlansError(FederationError):
    """More plans wait than a node keeps."""

    code = "FED-212"
    default_remedy = "withdraw what will not be approved: isthmus-node approve --withdraw DIGEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlan:
    """A plan that reached this node.

    Attributes
    ----------
    digest
        Of the plan (hex).
    plan
        The plan.
    state
        ``waiting``, ``by-hand``, ``by-policy`` or ``withdrawn``.
    since
        When it came to that state, ISO 8601.
    """

    digest: str
    plan: TrainingPlan
    state: str
    since: str


class Approvals:
    """The plans that a node knows, and what was said of each.

    Parameters
    ----------
    directory
        Where they stand, one file of the plan and one of its state each.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def require(self, plan: TrainingPlan, mode: Approver) -> None:
        """Let an approved plan pass; under ``by-policy`` a new one is approved on the spot.

        The caller has held the plan against the policy already.

        Raises
        ------
        NotApprovedError
            The plan is kept and waits, or its approval was withdrawn.
        """
        name = plan.digest().hex()
        state = self._state(name)
        if state is None:
            self.keep(plan)
            state = "waiting"
        if state == "waiting" and mode == "by-policy":
            self._set(name, "by-policy")
            return
        if state not in ("by-hand", "by-policy"):
            raise NotApprovedError(f"plan {name[:16]} is {state}", where=f"run {plan.run_id}")

    def keep(self, plan: TrainingPlan) -> str:
        """Keep a plan for people to read; returns its digest.

        Raises
        ------
        TooManyPlansError
        """
        name = plan.digest().hex()
        if self._state(name) is None:
            if sum(1 for known in self.known() if known.state == "waiting") >= MAX_WAITING:
                raise TooManyPlansError(f"{MAX_WAITING} plans wait", where=str(self._directory))
            path = self._directory / f"{name}.plan.json"
            write_atomically(path, plan.canonical(), private=True)
            self._set(name, "waiting")
        return name

    def approve(self, prefix: str) -> KnownPlan:
        """Approve, by hand, the plan whose digest begins with `prefix`.

        Raises
        ------
        UnknownPlanError
        """
        return self._decide(prefix, "by-hand")

    def withdraw(self, prefix: str) -> KnownPlan:
        """From now on no message of this plan is answered.

        Raises
        ------
        UnknownPlanError
        """
        return self._decide(prefix, "withdrawn")

    def find(self, prefix: str) -> KnownPlan:
        """The one plan whose digest begins with `prefix`, of 8 characters at least.

        Raises
        ------
        UnknownPlanError
        """
        found = [known for known in self.known() if known.digest.startswith(prefix.lower())]
        if len(prefix) < 8 or len(found) != 1:
            raise UnknownPlanError(f"{len(found)} plans begin with {prefix!r}")
        return found[0]

    def known(self) -> tuple[KnownPlan, ...]:
        """All plans, the newest state first."""
        names = [p.name.split(".")[0] for p in self._directory.glob("*.plan.json")]
        return tuple(sorted(map(self._read, names), key=lambda k: k.since, reverse=True))

    def last_approved(self, other_than: str = "") -> KnownPlan | None:
        """The plan approved last, the one with digest `other_than` left out."""
        approved = (k for k in self.known() if k.state in ("by-hand", "by-policy"))
        return next((k for k in approved if k.digest != other_than), None)

    def _decide(self, prefix: str, state: str) -> KnownPlan:
        name = self.find(prefix).digest
        self._set(name, state)
        return self._read(name)

    def _state(self, name: str) -> str | None:
        path = self._directory / f"{name}.state.json"
        return str(json.loads(path.read_bytes())["state"]) if path.exists() else None

    def _set(self, name: str, state: str) -> None:
        value = {"state": state, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        path = self._directory / f"{name}.state.json"
        write_atomically(path, json.dumps(value).encode(), private=True)

    def _read(self, name: str) -> KnownPlan:
        path = self._directory / f"{name}.plan.json"
        data = path.read_bytes()
        if digest("isthmus plan 1", data).hex() != name:
            raise UnknownPlanError("a kept plan was altered", where=str(path), remedy="delete it")
        state = json.loads((self._directory / f"{name}.state.json").read_bytes())
        plan = parse(TrainingPlan, json.loads(data), where=str(path))
        return KnownPlan(digest=name, plan=plan, state=state["state"], since=state["since"])
