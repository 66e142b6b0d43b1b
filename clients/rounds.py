"""A node's side of a federated run: one method per stage, bytes in, bytes or a refusal out.

Everything that a later stage needs stands on disk before a reply leaves, so a node may be another
process at every stage (under Ray it is) and may be killed between any two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from clients.approvals import Approvals
from clients.budget import open_ledger
from clients.contribution import Contribution
from clients.counting import Counting
from clients.global_model import GlobalModel, ModelNeededError
from clients.home import NodeHome
from clients.identity import public_bytes
from clients.node_data import TrainingData
from clients.policy import NodePolicy
from clients.receipts import ReceiptLog, Sent
from clients.session_files import SessionFiles, forget_other_runs
from clients.training.device import HOST, Compute
from shared.errors import FederationError
from shared.files import write_atomically
from shared.logs import facts
from shared.optimiser import ServerState
from shared.plan import Partner, TrainingPlan, read_plan
from shared.privacy.ledger import Ledger
from shared.secagg import (
    BadDealerError,
    FileLockStore,
    Identity,
    LockStore,
    Participant,
    Requirements,
    Session,
    SessionPolicy,
)
from shared.secagg.bounds import scale_to_norm
from shared.secagg.masks import available_threads
from shared.start import Carried, RoundStart
from shared.steps import can_begin, first_step, release_at, step_policy, step_session
from shared.tracing import Fact, span
from shared.wire import MASK, RELEASE, SHARE, START, SURVIVORS, UNMASK, MessageFormatError, Parcel

logger = logging.getLogger(__name__)
UPLOAD = b"\x00"
COMPLAINT = b"\x01"


class NoSessionError(FederationError):
    """A stage of a round that this node has not started."""

    code = "FED-053"


class RoundOutOfRangeError(FederationError):
    """A round that the plan does not have, or pairs of articles before their popularity."""

    code = "FED-054"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a platform brings to a run.

    Attributes
    ----------
    home
        Directory with ledger, locks and working files.
    identity
        Ed25519 key of the platform.
    policy
        Its own limits.
    data
        What it trains on.
    compute
        Where it trains; no plan says so, and no guarantee depends on it.
    """

    home: NodeHome
    identity: Ed25519PrivateKey
    policy: NodePolicy
    data: TrainingData
    compute: Compute = HOST

    def ledger(self) -> Ledger:
        """The node's privacy ledger."""
        return open_ledger(self.home, self.identity, self.policy)


class NodeRounds:
    """Answers the coordinator's messages for one node.

    Parameters
    ----------
    node
        The platform.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._runs: dict[str, _Run] = {}
        self._active: _Run | None = None
        self._receipts = ReceiptLog(node.home.receipts, node.identity)
        self._stages: dict[str, Callable[[Parcel], Parcel]] = {
            START: self._start,
            SHARE: lambda parcel: self._at().share(parcel),
            MASK: lambda parcel: self._at().mask(parcel),
            SURVIVORS: lambda parcel: self._at().sign_survivors(parcel),
            UNMASK: lambda parcel: self._at().unmask(parcel),
            RELEASE: lambda parcel: self._at().release(parcel),
        }

    def answer(self, stage: str, parcel: Parcel) -> Parcel:
        """Reply to one message, on the receipt log before it is returned.

        Raises
        ------
        IsthmusError
            The node refuses; only the error's code may travel.
        """
        with span("answer", stage=stage) as note:
            reply = self._stages[stage](parcel)
            sent = self._sent(stage, reply)
            self._receipts.record(sent)
            where: dict[str, Fact] = {"run": sent.run, "round": sent.round, "attempt": sent.attempt}
            note(**where, bytes=sent.size)
        logger.info("answered", extra=facts(stage=stage, **where, bytes=sent.size))
        return reply

    def refuse(self, stage: str, code: str) -> None:
        """Write a receipt of a reply that is nothing but an error code.

        Raises
        ------
        ReceiptLogError, ForeignReceiptLogError
        """
        self._receipts.record(replace(self._sent(stage, Parcel(code.encode())), refusal=code))

    def _sent(self, stage: str, reply: Parcel) -> Sent:
        run, number, attempt = self._active.now if self._active else ("", 0, 0)
        charged = stage == MASK and self._active is not None and self._active.private
        return Sent(
            run=run,
            round=number,
            attempt=attempt,
            stage=stage,
            size=reply.size,
            sha256=reply.digest(),
            epsilon=self._node.ledger().spent() if charged else None,
        )

    def _start(self, parcel: Parcel) -> Parcel:
        start = RoundStart.decode(parcel.body)
        run = self._run(start)
        self._node.policy.check_hour(datetime.now(UTC))
        self._active = run
        _pointer(self._node.home).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_pointer(self._node.home), parcel.body, private=True)
        return run.start(start, parcel)

    def _at(self) -> _Run:
        """The run of the last start message, also after a restart of the process."""
        if self._active is None:
            path = _pointer(self._node.home)
            if not path.exists():
                raise NoSessionError("no round was started at this node")
            self._active = self._run(RoundStart.decode(path.read_bytes()))
        self._require_approval(self._active.plan)  # it may have been withdrawn since
        return self._active

    def _run(self, start: RoundStart) -> _Run:
        coordinator = bytes.fromhex(self._node.policy.coordinator)
        plan = read_plan(start.plan, start.signature, coordinator)
        partner = self._node.policy.check(plan, public_bytes(self._node.identity))
        self._node.policy.check_noise(plan, partner)
        self._require_approval(plan)
        if plan.run_id not in self._runs:
            self._runs[plan.run_id] = _Run(self._node, plan, partner)
        return self._runs[plan.run_id]

    def _require_approval(self, plan: TrainingPlan) -> None:
        Approvals(self._node.home.approvals).require(plan, self._node.policy.approval)


class _Terms(TypedDict):
    """Arguments of a participant."""

    policy: SessionPolicy
    session: Session
    identity: Identity
    requirements: Requirements
    lock_store: LockStore


class _Run:
    """One accepted plan at this node."""

    def __init__(self, node: Node, plan: TrainingPlan, partner: Partner) -> None:
        self._node, self.plan = node, plan
        self._directory = node.home.run(plan.run_id)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._files = SessionFiles(self._directory)
        forget_other_runs(self._directory)
        self._identity = Identity(partner=partner.id, key=node.identity)
        self._global = GlobalModel(plan, self._directory / "state.safetensors", node.home.initial)
        self._contribution = Contribution(
            plan, partner, node.data, self._directory, node.ledger, node.compute
        )
        self._counting = Counting(plan, partner, node.data, self._directory, node.ledger)
        self._participant: Participant | None = None
        self._at = (0, 0)

    @property
    def now(self) -> tuple[str, int, int]:
        """Run, round and attempt."""
        return self.plan.run_id, *self._at

    @property
    def private(self) -> bool:
        """Whether updates are charged to the ledger."""
        return self.plan.privacy is not None

    def start(self, start: RoundStart, parcel: Parcel) -> Parcel:
        if not first_step(self.plan) <= start.round <= self.plan.rounds:
            raise RoundOutOfRangeError(f"round {start.round} of {self.plan.rounds}")
        self._take_model(start, parcel)
        state = self._global.require(start.round)
        self._forget_before(start.round)  # a node that was away is told a sum and verifies none
        if not can_begin(self.plan, start.round, state):
            raise RoundOutOfRangeError("pairs of articles whose popularity was not released")
        self._counting.take_articles(start, parcel)
        self._vector(start.round, state)
        if self._now_at() != (start.round, start.attempt) or self._participant is None:
            self._open(start.round, start.attempt)
        advert = self._now().advertise()
        return self._reply(self._identity.partner.to_bytes(2, "little") + advert)

    def share(self, parcel: Parcel) -> Parcel:
        return self._reply(self._now().share(parcel.body))

    def mask(self, parcel: Parcel) -> Parcel:
        participant = self._now()
        try:
            participant.accept(parcel.body)
        except BadDealerError as error:
            return self._reply(COMPLAINT + error.complaint)
        number = self._at[0]
        update = self._vector(number, self._global.require(number))
        upload = participant.mask(
            update,
            noise_key=self._noise_key(number, update),
            threads=available_threads(update.nbytes),
        )
        self._save()
        return Parcel(UPLOAD + upload.header, upload.vector)

    def sign_survivors(self, parcel: Parcel) -> Parcel:
        return self._reply(self._now().sign_survivors(parcel.body))

    def unmask(self, parcel: Parcel) -> Parcel:
        return self._reply(self._now().unmask(parcel.body))

    def release(self, parcel: Parcel) -> Parcel:
        """Verify the published sum, then compute and keep the next global model."""
        if self._global.round < self._now_at()[0]:
            if parcel.vector is None or parcel.vector.dtype not in (np.uint16, np.uint32):
                raise MessageFormatError("a release comes with the ring sum")
            self._global.advance(self._now().verify(parcel.body, parcel.vector))
            self._participant = None
            self._files.forget()
            self._forget_before(self._global.round + 1)
        return Parcel(b"")

    def _vector(self, number: int, state: ServerState) -> NDArray[np.float32]:
        """What this node adds to the sum of step `number`; made and charged once."""
        release = release_at(self.plan, number)
        if release is not None:
            return self._counting.vector(release, state.counts)
        update = self._contribution.update(number, state.model)
        return scale_to_norm(update, self.plan.aggregation.update_norm)

    def _forget_before(self, number: int) -> None:
        """Delete what only their sums protect of the steps before `number`, which are over."""
        self._contribution.forget_before(number)
        self._counting.forget_before(number)

    def _take_model(self, start: RoundStart, parcel: Parcel) -> None:
        if start.carried is Carried.STATE:
            if parcel.vector is None:
                raise MessageFormatError("the start message announces a state but has none")
            self._global.replace(start.round - 1, parcel.vector)
        elif start.carried is Carried.RING_SUM and self._global.round == start.round - 2:
            if self._now_at()[0] != start.round - 1 or self._now().stage != "Verifying":
                raise ModelNeededError(f"round {start.round - 1} was not finished at this node")
            self.release(Parcel(start.release, parcel.vector))

    def _now_at(self) -> tuple[int, int]:
        if self._participant is None:
            self._resume()
        return self._at

    def _now(self) -> Participant:
        if self._participant is None:
            self._resume()
        if self._participant is None:
            raise NoSessionError("no round was started at this node")
        return self._participant

    def _reply(self, body: bytes) -> Parcel:
        self._save()
        return Parcel(body)

    def _open(self, number: int, attempt: int) -> None:
        self._files.forget_unless(number)
        self._at = (number, attempt)
        self._participant = Participant(**self._terms())

    def _resume(self) -> None:
        """Continue the session that another process of this node began."""
        kept = self._files.load()
        if kept is None:
            return
        self._at = kept[:2]
        if self._global.round == self._at[0] - 1:
            self._participant = Participant.resume(kept[2], **self._terms())

    def _save(self) -> None:
        self._files.save(*self._at, self._now().snapshot())

    def _noise_key(self, number: int, update: NDArray[np.float32]) -> bytes | None:
        return self._files.noise_key(number, update) if self.plan.distributed else None

    def _terms(self) -> _Terms:
        number, attempt = self._at
        policy, agreed = self._node.policy, step_policy(self.plan, number)
        counts = release_at(self.plan, number) is not None  # as large as users are many
        return {
            "policy": agreed,
            "session": step_session(self.plan, number, attempt, self._global.require(number)),
            "identity": self._identity,
            "requirements": Requirements(
                pinned=agreed.partners,  # held against the node's own pinned keys by the policy
                min_partners=policy.min_cohort,
                min_colluders=policy.min_colluders,
                min_survivors=min(3, policy.min_cohort),
                max_clip=agreed.clip if counts else policy.max_update_range,
                two_parties=policy.min_cohort == 2,
                suites=policy.accepted_suites,
            ),
            "lock_store": FileLockStore(self._node.home.locks),
        }


def _pointer(home: NodeHome) -> Path:
    return home.root / "runs" / "current.bin"
