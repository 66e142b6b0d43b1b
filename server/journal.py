"""What came back in each stage, on disk and flushed before the next stage begins.

The coordinator's messages follow from the replies alone, and nodes answer a repeated message as
before. So a coordinator that was killed feeds the recorded replies to the protocol again, arrives
where it was, and sends the message that was not answered yet: the attempt goes on, and no sum is
lost between the shares that open it and its checkpoint. A record holds what travelled: masked
vectors and sealed or public bytes, nothing that the coordinator may not see.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from server.exchange import StageReplies
from shared.errors import FederationError, in_words
from shared.files import sync_directory, write_atomically
from shared.wire import Parcel

FORMAT: Final = "1"


class JournalError(FederationError):
    """A recorded stage cannot be read."""

    code = "FED-108"
    default_remedy = "move this file away; the next attempt at the round begins anew"


class Journal:
    """Records of the stages of one run.

    Parameters
    ----------
    directory
        Where records stand; created when missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def store(self, number: int, attempt: int, stage: str, replies: StageReplies) -> None:
        """Record the replies to `stage` durably."""
        tensors: dict[str, Any] = {}
        for node, parcel in replies.parcels.items():
            tensors[f"body.{node}"] = np.frombuffer(parcel.body, np.uint8)
            if parcel.vector is not None:
                tensors[f"vector.{node}"] = np.ascontiguousarray(parcel.vector)
        failures = {str(node): code for node, code in replies.failures.items()}
        data = save(tensors, metadata={"format": FORMAT, "failures": json.dumps(failures)})
        write_atomically(self._path(number, attempt, stage), data, private=True)
        self._note(number, attempt, stage, replies)

    def load(self, number: int, attempt: int, stage: str) -> StageReplies | None:
        """The recorded replies to `stage`; None if it was not finished.

        Raises
        ------
        JournalError
        """
        path = self._path(number, attempt, stage)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                facts = file.metadata() or {}
                failures = json.loads(facts["failures"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise JournalError(in_words(error, "is no recorded stage"), where=str(path)) from error
        if facts.get("format", FORMAT) != FORMAT:
            raise JournalError(f"format {facts['format']!r}, here {FORMAT}", where=str(path))
        bodies = {int(n.split(".")[1]): t for n, t in tensors.items() if n.startswith("body.")}
        parcels = {
            node: Parcel(body.tobytes(), tensors.get(f"vector.{node}"))
            for node, body in bodies.items()
        }
        return StageReplies(parcels, {int(node): code for node, code in failures.items()})

    def begun(self, number: int, attempt: int) -> bool:
        """Whether any stage of this attempt is recorded."""
        return any(self._directory.glob(f"{number:05d}-{attempt:05d}-*.safetensors"))

    def forget(self, number: int, attempt: int) -> None:
        """Delete the records of an attempt that is to begin once more."""
        for path in self._directory.glob(f"{number:05d}-{attempt:05d}-*.safetensors"):
            path.unlink(missing_ok=True)

    def forget_before(self, number: int) -> None:
        """Delete the records of rounds before `number`."""
        for path in self._directory.glob("*.safetensors"):
            if int(path.name[:5]) < number:  # the sign of statistics' numbers is one of five
                path.unlink(missing_ok=True)

    def _note(self, number: int, attempt: int, stage: str, replies: StageReplies) -> None:
        """One line for people, monitoring and auditors: times, codes, what was received.

        The digests are those in the nodes' receipt logs (``tools/verify_receipts.py`` compares).
        """
        line = {
            "time": round(time.time(), 3),
            "round": number,
            "attempt": attempt,
            "stage": stage,
            "received": {str(node): parcel.digest() for node, parcel in replies.parcels.items()},
            "failures": {str(node): code for node, code in replies.failures.items()},
        }
        path = self._directory / "events.jsonl"
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_directory(self._directory)

    def _path(self, number: int, attempt: int, stage: str) -> Path:
        return self._directory / f"{number:05d}-{attempt:05d}-{stage}.safetensors"
