"""Checkpoints of a run: after every round one safetensors file and its manifest, signed.

A coordinator that is started again continues after the newest checkpoint. The manifest names the
plan, the round and the SHA-256 of the file, and is signed by the coordinator, so that neither the
state of another plan nor an altered file is ever taken up. It is written first: a file without a
manifest is not a write that was cut off but one that nobody signed. Whoever can delete the newest
files brings an older round back; nodes, which know their round, then refuse.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from shared.documents import (
    DocumentError,
    SignedDocument,
    check_signature,
    read_document,
    signed,
    write_document,
)
from shared.errors import FederationError
from shared.files import write_atomically
from shared.hashing import Digest
from shared.keyfile import public_bytes
from shared.optimiser import TENSORS, ServerState

UNSIGNED_FORMAT: Final = "1"
FORMAT: Final = 2


class CheckpointError(FederationError):
    """A checkpoint that belongs to another plan or cannot be read."""

    code = "FED-040"
    default_remedy = "move the checkpoint directory away to start this plan from its first round"


class ForgedCheckpointError(FederationError):
    """A checkpoint that was altered, or that this coordinator did not sign."""

    code = "FED-046"
    default_remedy = "restore the files from a backup, and find out who wrote there"


class UnsignedCheckpointError(FederationError):
    """A checkpoint without a signature: of an earlier version, or its manifest is gone."""

    code = "FED-047"
    default_remedy = (
        "only if an earlier version wrote it and nobody else could write there: "
        "isthmus-coordinator resume RUN_ID --sign-checkpoints"
    )


class CheckpointManifest(SignedDocument):
    """What a checkpoint is; signed by the coordinator."""

    format: Literal[2]
    """Format of the checkpoint."""
    plan: Digest
    """Digest of the plan."""
    round: int
    """Rounds in the state; 0 and less before the first (`shared.steps`)."""
    files: dict[str, Digest]
    """Name of each file → its SHA-256."""


class Checkpoints:
    """The checkpoints of one plan in one directory.

    Parameters
    ----------
    directory
        Where ``round-00001.safetensors`` and ``round-00001.json`` stand; created when missing.
    plan_digest
        Digest of the plan (32 bytes).
    key
        The coordinator's identity, which signs, and whose signature alone counts.
    """

    def __init__(self, directory: Path, plan_digest: bytes, key: Ed25519PrivateKey) -> None:
        self._directory, self._key = directory, key
        self._plan = plan_digest.hex()
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, round_number: int, state: ServerState) -> None:
        """Store the state after `round_number` (0 = before the first round)."""
        data = save(state.tensors(), metadata={"format": str(FORMAT)})
        self._sign(round_number, data)
        write_atomically(self.path(round_number), data)

    def newest(self) -> tuple[int, ServerState] | None:
        """Round number and state of the newest checkpoint, if there is one.

        Raises
        ------
        CheckpointError, ForgedCheckpointError, UnsignedCheckpointError, ConfigError
        """
        rounds = self.rounds()
        return (rounds[-1], self.load(rounds[-1])) if rounds else None

    def load(self, round_number: int) -> ServerState:
        """The state after `round_number`.

        Raises
        ------
        CheckpointError, ForgedCheckpointError, UnsignedCheckpointError, ConfigError
        """
        path = self.path(round_number)
        manifest = self._manifest(round_number)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(str(error), where=str(path)) from error
        if manifest.files != {path.name: sha256(data).hexdigest()}:
            raise ForgedCheckpointError("not the file that was signed", where=str(path))
        if manifest.plan != self._plan or manifest.round != round_number:
            problem = f"the checkpoint belongs to another plan or round ({manifest.round})"
            raise CheckpointError(problem, where=str(path))
        return ServerState.from_tensors(load(data))

    def sign_unsigned(self) -> int:
        """Sign what an earlier version left without a signature; returns how many.

        Only a person can say that nobody else wrote these files.

        Raises
        ------
        CheckpointError
        """
        unsigned = [n for n in self.rounds() if not self.manifest_path(n).exists()]
        for number in unsigned:
            path = self.path(number)
            facts = _facts(path)
            expected = {"format": UNSIGNED_FORMAT, "plan": self._plan, "round": str(number)}
            if {"format": UNSIGNED_FORMAT, **facts} != expected:
                problem = f"no unsigned checkpoint of this plan and round: {facts}"
                raise CheckpointError(problem, where=str(path))
            self._sign(number, path.read_bytes())
        return len(unsigned)

    def rounds(self) -> list[int]:
        """Numbers with a checkpoint, in order; statistics before the first round included."""
        return stored_rounds(self._directory)

    def path(self, round_number: int) -> Path:
        """The file of a round."""
        return self._directory / f"round-{round_number:05d}.safetensors"

    def manifest_path(self, round_number: int) -> Path:
        """Its signed manifest."""
        return self.path(round_number).with_suffix(".json")

    def _sign(self, round_number: int, data: bytes) -> None:
        files = {self.path(round_number).name: sha256(data).hexdigest()}
        manifest = CheckpointManifest(
            format=FORMAT, plan=self._plan, round=round_number, files=files
        )
        write_document(signed(manifest, self._key), self.manifest_path(round_number))

    def _manifest(self, round_number: int) -> CheckpointManifest:
        path = self.manifest_path(round_number)
        if not path.exists():
            where = str(self.path(round_number))
            raise UnsignedCheckpointError("there is no signed manifest beside it", where=where)
        try:
            manifest = read_document(CheckpointManifest, path)
            check_signature(manifest, public_bytes(self._key))
        except DocumentError as error:
            problem = "the manifest is not signed by this coordinator"
            raise ForgedCheckpointError(problem, where=str(path)) from error
        return manifest


def stored_rounds(directory: Path) -> list[int]:
    """Numbers with a checkpoint in `directory`, in order; nothing is verified."""
    files = directory.glob("round-*.safetensors")
    return sorted(int(path.stem.removeprefix("round-")) for path in files)


def _facts(path: Path) -> dict[str, str]:
    """What an unsigned checkpoint says of itself; its tensors are those of a state."""
    try:
        with safe_open(path, framework="numpy") as file:
            names, facts = set(file.keys()), dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(str(error), where=str(path)) from error
    if names != set(TENSORS):
        raise CheckpointError(f"holds {sorted(names)}, not a state", where=str(path))
    return facts
