"""Check a node's receipt log without trusting the software that wrote it.

    python verify_receipts.py LOG [--node KEY] [--coordinator EVENTS]

Recomputes the hash chain and checks every signature against the node's Ed25519 public key, which
is the log's first line or, better, KEY (hex) as its owner published it. With EVENTS, the journal of
the coordinator (``events.jsonl``), every message that the coordinator says it received from this
node must be in the log. Exit status 0 when everything holds, 1 otherwise. Needs: Python 3.11,
cryptography. Uses nothing else of Isthmus.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Line = dict[str, Any]


class BrokenReceiptsError(Exception):
    """What is wrong with the log."""


def canonical(body: Line) -> bytes:
    """Compact JSON with sorted keys."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def read_log(data: bytes, node: str | None) -> list[Line]:
    """Lines of the log: chained, and signed by one key."""
    if not data.endswith(b"\n"):
        raise BrokenReceiptsError("the last line is torn (a crash) or was cut")
    lines, previous = [], "0" * 64
    for number, raw in enumerate(data.splitlines()):
        line = json.loads(raw)
        body = {key: value for key, value in line.items() if key != "hash"}
        if line["seq"] != number or line["previous"] != previous:
            raise BrokenReceiptsError(f"line {number + 1} does not follow the one before")
        if line["hash"] != hashlib.sha256(canonical(body)).hexdigest():
            raise BrokenReceiptsError(f"line {number + 1} was altered")
        previous = line["hash"]
        lines.append(line)
    if lines[0]["kind"] != "open" or lines[0]["format"] != 1:
        raise BrokenReceiptsError("the log does not begin as a receipt log of format 1")
    if node is not None and lines[0]["node"] != node:
        raise BrokenReceiptsError(f"the log is of node {lines[0]['node']}")
    check_signatures(lines)
    return lines


def check_signatures(lines: list[Line]) -> None:
    """Every line is signed by the key in the first one."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(lines[0]["node"]))
    for line in lines:
        body = canonical({k: v for k, v in line.items() if k not in ("hash", "signature")})
        signed = hashlib.sha256()
        for part in (b"isthmus receipt 1", body):
            signed.update(struct.pack("<Q", len(part)) + part)
        try:
            key.verify(bytes.fromhex(line["signature"]), signed.digest())
        except InvalidSignature:
            raise BrokenReceiptsError(f"line {line['seq'] + 1} is not signed by it") from None


def compare(lines: list[Line], events: list[Line]) -> int:
    """Messages that the coordinator received from this node; all of them must be in the log."""
    sent = {(e["round"], e["attempt"], e["sha256"]) for e in lines if e["kind"] == "sent"}
    received: dict[str, set[tuple[int, int, str]]] = {}
    for event in events:
        for node, digest in event.get("received", {}).items():
            key = (event["round"], event["attempt"], digest)
            received.setdefault(node, set()).add(key)
    mine = [keys for keys in received.values() if keys & sent]
    if not mine:
        raise BrokenReceiptsError("the coordinator received none of these messages")
    for keys in mine:
        if missing := sorted(keys - sent):
            raise BrokenReceiptsError(f"no receipt of round {missing[0][0]}: {missing[0][2]}")
    return sum(map(len, mine))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("log", type=Path)
    parser.add_argument("--node", help="Ed25519 public key of the node, hex")
    parser.add_argument("--coordinator", type=Path, help="events.jsonl of the coordinator")
    arguments = parser.parse_args()
    try:
        lines = read_log(arguments.log.read_bytes(), arguments.node)
        said = f"{len(lines) - 1} messages, {sum(e.get('bytes', 0) for e in lines)} bytes"
        if arguments.coordinator:
            events = [json.loads(line) for line in arguments.coordinator.read_text().splitlines()]
            said += f"; {compare(lines, events)} of them received by the coordinator"
    except (BrokenReceiptsError, KeyError, TypeError, ValueError, IndexError) as problem:
        print("BROKEN:", problem)
        return 1
    print("ok:", said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
