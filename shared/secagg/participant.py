"""A node in one session: the stages of `node` behind durable locks, resumable after a crash.

Each method checks, commits to the lock store, and only then returns what to send. Called again with
the same input it returns the same bytes, so a lost answer can be asked for again; another input is
refused. A refused message changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from shared.secagg import locks
from shared.secagg.audit import AuditSecrets
from shared.secagg.errors import OutOfTurnError, SnapshotError
from shared.secagg.hashing import sha256
from shared.secagg.identity import Identity
from shared.secagg.locks import LockStore, RoundLock
from shared.secagg.masks import Ring
from shared.secagg.node.agreeing import Advertising, Receiving, Sharing
from shared.secagg.node.masking import Masking
from shared.secagg.node.opening import Surviving, Unmasking, Verifying
from shared.secagg.node.seat import Seat, Upload, VerifiedSum
from shared.secagg.policy import Session, SessionPolicy
from shared.secagg.requirements import Requirements
from shared.secagg.snapshot import Snapshot

ROOT_BYTES: Final = 32
_Stage = Advertising | Sharing | Receiving | Masking | Surviving | Unmasking | Verifying


class Participant:
    """One partner in one session.

    Parameters
    ----------
    policy, session
        What the signed plan says.
    identity
        This node's signing key.
    requirements
        This node's own floors, checked before anything else.
    lock_store
        Durable storage, the same for all rounds of the node.
    root
        32 secret bytes; drawn from the operating system if None.

    Raises
    ------
    Refusal
        The policy breaks the node's requirements, or this node is not in it (SA-034 to SA-036).
    """

    def __init__(
        self,
        *,
        policy: SessionPolicy,
        session: Session,
        identity: Identity,
        requirements: Requirements,
        lock_store: LockStore,
        root: bytes | None = None,
    ) -> None:
        requirements.check(policy)
        if policy.partners.get(identity.partner) != identity.public_bytes:
            raise OutOfTurnError(f"the policy has no partner {identity.partner} with this key")
        self._seat = Seat(
            policy=policy,
            session=session,
            identity=identity,
            root=os.urandom(ROOT_BYTES) if root is None else root,
        )
        self._locks, self._key = lock_store, session.lock_key()
        self._stage: _Stage | None = Advertising(self._seat)
        self._masking: Masking | None = None
        self._done: dict[str, tuple[bytes, bytes]] = {}
        self._snapshot = Snapshot(binding=session.context(policy), root=self._seat.root)
        self._resuming = False

    @classmethod
    def resume(
        cls,
        snapshot: bytes,
        *,
        policy: SessionPolicy,
        session: Session,
        identity: Identity,
        requirements: Requirements,
        lock_store: LockStore,
    ) -> Participant:
        """A participant as `snapshot` left it.

        Raises
        ------
        SnapshotError
            Damaged, of another session, or ahead of the durable lock (which was rolled back).
        """
        saved = Snapshot.parse(snapshot)
        if saved.binding != session.context(policy):
            raise SnapshotError("the snapshot is of another session or policy")
        participant = cls(
            policy=policy,
            session=session,
            identity=identity,
            requirements=requirements,
            lock_store=lock_store,
            root=saved.root,
        )
        participant._replay(saved)
        return participant

    @property
    def stage(self) -> str:
        """Name of the stage, ``"Done"`` at the end."""
        return "Done" if self._stage is None else type(self._stage).__name__

    @property
    def revealed(self) -> bool:
        """Whether shares have left this node; from then on the sum counts as released."""
        return bool(self._snapshot.signatures)

    def snapshot(self) -> bytes:
        """Secret bytes from which `resume` restores this state; they do not hold the update."""
        return self._snapshot.encode()

    def advertise(self) -> bytes:
        """Advert of this session's public keys.

        Raises
        ------
        RoundUsedError
            The round was opened, or this attempt or a later one was already started.
        """

        def step() -> tuple[_Stage, bytes]:
            stage, raw = self._at(Advertising).advertise()
            self._commit(lambda lock: locks.start(lock, self._seat.session.attempt, sha256(raw)))
            self._snapshot.advertised = True
            return stage, raw

        return self._once("advertise", b"", step)

    def share(self, roster: bytes) -> bytes:
        """Envelopes for every member of `roster`."""

        def step() -> tuple[_Stage, bytes]:
            self._refuse_other(lambda lock: lock.with_roster(sha256(roster)))
            sharing = self._at(Sharing)
            if self._snapshot.message:
                receiving = sharing.restored(roster, self._snapshot.message, self._snapshot.sent)
            else:
                receiving, self._snapshot.message = sharing.share(roster)
                self._snapshot.sent = receiving.sent
            self._commit_existing(lambda lock: lock.with_roster(sha256(roster)))
            self._snapshot.roster = roster
            return receiving, self._snapshot.message

        return self._once("share", roster, step)

    def accept(self, envelopes: bytes) -> None:
        """Open the envelopes of the other sharers.

        Raises
        ------
        BadDealerError
            Send its `complaint` to the coordinator in place of an upload.
        """

        def step() -> tuple[_Stage, bytes]:
            masking, nothing = self._at(Receiving).accept(envelopes)
            self._masking, self._snapshot.envelopes = masking, envelopes
            return masking, nothing

        self._once("accept", envelopes, step)

    def mask(
        self,
        update: NDArray[Any],
        words: Sequence[int] = (),
        *,
        out: Ring | None = None,
        threads: int = 1,
        noise_key: bytes | None = None,
    ) -> Upload:
        """Masked upload of `update` and `words`; see `Masking.mask`.

        May be called again with the same values (`update` must not have been overwritten).

        Raises
        ------
        SecondUploadError
            Other values under the same masks.
        """
        if self._masking is None:
            raise OutOfTurnError(f"cannot mask in stage {self.stage}")
        fresh = self._masking.renewed()
        surviving, upload = fresh.mask(update, words, out=out, threads=threads, noise_key=noise_key)
        self._commit_existing(lambda lock: lock.with_upload(sha256(upload.header)))
        if isinstance(self._stage, Masking):
            self._stage, self._snapshot.uploaded = surviving, True
        return upload

    def audit_secrets(self) -> AuditSecrets:
        """What opens the upload to an auditor; kept with the quantised update."""
        if self._masking is None:
            raise OutOfTurnError(f"no upload in stage {self.stage}")
        return self._masking.audit_secrets()

    def sign_survivors(self, message: bytes) -> bytes:
        """Signature on the survivor set."""

        def step() -> tuple[_Stage, bytes]:
            self._refuse_other(lambda lock: lock.with_survivors(sha256(message)))
            stage, raw = self._at(Surviving).sign_survivors(message)
            self._commit_existing(lambda lock: lock.with_survivors(sha256(message)))
            self._snapshot.survivors = message
            return stage, raw

        return self._once("sign_survivors", message, step)

    def unmask(self, signatures: bytes) -> bytes:
        """Shares for the signed survivor set; closes the round at this node."""

        def step() -> tuple[_Stage, bytes]:
            stage, raw = self._at(Unmasking).unmask(signatures)
            self._commit_existing(RoundLock.with_reveal)
            self._snapshot.signatures = signatures
            return stage, raw

        return self._once("unmask", signatures, step)

    def verify(self, result: bytes, ring_sum: Ring) -> VerifiedSum:
        """The published sum, checked against its tag."""
        stage: Verifying = self._at(Verifying)
        _, verified = stage.verify(result, ring_sum)
        self._stage = None
        return verified

    def _at(self, kind: type[Any]) -> Any:
        if not isinstance(self._stage, kind):
            raise OutOfTurnError(f"stage is {self.stage}, not {kind.__name__}")
        return self._stage

    def _once(self, name: str, message: bytes, step: Callable[[], tuple[_Stage, bytes]]) -> bytes:
        """Run a transition, or repeat its answer to the same message."""
        digest = sha256(message)
        if name in self._done and self._done[name][0] == digest:
            return self._done[name][1]
        self._stage, answer = step()
        self._done[name] = digest, answer
        return answer

    def _lock(self) -> RoundLock | None:
        raw = self._locks.read(self._key)
        return None if raw is None else RoundLock.parse(raw)

    def _refuse_other(self, change: Callable[[RoundLock], RoundLock]) -> None:
        """Refuse early, under its own name, what the lock would refuse later."""
        lock = self._lock()
        if lock is not None and lock.attempt == self._seat.session.attempt:
            change(lock)

    def _commit_existing(self, change: Callable[[RoundLock], RoundLock]) -> None:
        def checked(lock: RoundLock | None) -> RoundLock:
            if lock is None or lock.attempt != self._seat.session.attempt:
                raise SnapshotError("a later attempt has replaced this one, or its lock is gone")
            return change(lock)

        self._commit(checked)

    def _commit(self, change: Callable[[RoundLock | None], RoundLock]) -> None:
        """Store the changed lock durably; while resuming, insist that it is already there."""
        raw = self._locks.read(self._key)
        new = change(None if raw is None else RoundLock.parse(raw)).encode()
        if new == raw:
            return
        if self._resuming:
            raise SnapshotError("the snapshot is ahead of the durable lock")
        self._locks.swap(self._key, raw, new)

    def _replay(self, saved: Snapshot) -> None:
        self._resuming = True
        self._snapshot.message, self._snapshot.sent = saved.message, saved.sent
        if saved.advertised:
            self.advertise()
        if saved.roster:
            self.share(saved.roster)
        if saved.envelopes:
            self.accept(saved.envelopes)
        if saved.uploaded and self._masking is not None:
            self._stage, self._snapshot.uploaded = self._masking.renewed().uploaded(), True
        if saved.survivors:
            self.sign_survivors(saved.survivors)
        if saved.signatures:
            self.unmask(saved.signatures)
        self._resuming = False
