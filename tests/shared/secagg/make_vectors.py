"""Writes ``vectors/*.json``; run ``python -m tests.shared.secagg.make_vectors`` after wire changes.

Sessions are complete transcripts. Malformed messages are records with one thing wrong; the code
with which they must be refused is written by hand here, not taken from the implementation.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.secagg import (
    Identity,
    MemoryLockStore,
    Participant,
    Requirements,
    Session,
    SessionPolicy,
    Suite,
)
from shared.secagg.codec import Kind, bitmap, sign
from shared.secagg.hashing import digest, u16
from tests.shared.secagg.grid import Grid

FOLDER = Path(__file__).parent / "vectors"
SESSIONS = (
    {"name": "three partners, nobody drops", "n": 3},
    {"name": "three partners, one colluder", "n": 3, "colluders": 1},
    {"name": "two parties", "n": 2, "two_parties": True},
    {"name": "sixteen bits with noise", "n": 4, "ring_bits": 16, "noise_std": 1.0},
    {"name": "ChaCha20 masks", "n": 4, "suite": 2},
    {"name": "one drops after sharing", "n": 5, "dropped": [3]},
    {"name": "the first and the last drop", "n": 7, "dropped": [1, 7]},
    {"name": "one never shares", "n": 5, "silent": [2]},
    {"name": "one never shares, one drops", "n": 7, "silent": [4], "dropped": [6]},
    {"name": "words and one tag", "n": 4, "word_limits": [10, 1_000_000], "tag_words": 1},
    {"name": "words, two tags", "n": 4, "word_limits": [7], "dropped": [2]},
    {"name": "a long vector", "n": 3, "length": 33_000},
    {"name": "one coordinate", "n": 3, "length": 1},
    {"name": "ids far apart", "n": 4, "ids": [1, 255, 256, 65_535]},
    {"name": "a later attempt of a late round", "n": 3, "attempt": 15, "round": 4_294_967_295},
    {"name": "values beyond the range", "n": 3, "clip": 0.25},
    {"name": "ChaCha20, sixteen bits, dropouts", "n": 6, "suite": 2, "ring_bits": 16,
     "noise_std": 0.5, "dropped": [1, 2], "word_limits": [3]},
    {"name": "a floor above the threshold", "n": 6, "min_survivors": 5, "dropped": [4]},
    {"name": "a norm bound", "n": 3, "norm_bound": 10.0},
    {"name": "ten partners, three colluders", "n": 10, "colluders": 3, "dropped": [5, 9]},
)  # fmt: skip


def seed(partner: int) -> bytes:
    """A fixed signing seed: test vectors only."""
    return digest("test-identity", u16(partner))


def identity(partner: int) -> Identity:
    return Identity(partner=partner, key=Ed25519PrivateKey.from_private_bytes(seed(partner)))


def describe(spec: dict) -> dict:
    """Inputs of a session as JSON."""
    ids = spec.get("ids") or list(range(1, spec["n"] + 1))
    length = spec.get("length", 5)
    defaults = {"colluders": 0, "min_survivors": 2, "two_parties": False, "ring_bits": 32,
                "suite": 1, "tag_words": 2, "audited": False, "groups": 1, "clip": 1.0,
                "noise_std": 0.0, "norm_bound": 0.0, "share_noise": 0.0,
                "word_limits": []}  # fmt: skip
    rules = {name: spec.get(name, value) for name, value in defaults.items()}
    rules |= {"length": length, "partners": {str(i): identity(i).public_bytes.hex() for i in ids}}
    rng = np.random.default_rng(length + len(ids))
    updates: object = {str(i): rng.uniform(-1, 1, length).astype(np.float32).tolist() for i in ids}
    if length > 1000:
        updates = "ramp"
    words = {str(i): [limit // (1 + i % 5) for limit in rules["word_limits"]] for i in ids}
    place = {"run_id": "72" * 16, "round": spec.get("round", 3), "attempt": spec.get("attempt", 0),
             "plan_hash": "70" * 32, "model_hash": "6d" * 32}  # fmt: skip
    return {"name": spec["name"], "policy": rules, "session": place,
            "seeds": {str(i): seed(i).hex() for i in ids}, "silent": spec.get("silent", []),
            "dropped": spec.get("dropped", []), "updates": updates, "words": words}  # fmt: skip


def expanded(case: dict) -> dict:
    """The case with its updates written out; a ramp is ((i * j) mod 2001 - 1000) / 1000."""
    if case["updates"] != "ramp":
        return case
    places = np.arange(case["policy"]["length"])
    updates = {
        i: (((places * int(i)) % 2001 - 1000) / 1000).astype(np.float32).tolist()
        for i in case["seeds"]
    }
    return case | {"updates": updates}


def build(case: dict) -> tuple[SessionPolicy, Session]:
    """Policy and session of a described case."""
    values = dict(case["policy"])
    values["partners"] = {int(i): bytes.fromhex(k) for i, k in values["partners"].items()}
    values["suite"], values["word_limits"] = Suite(values["suite"]), tuple(values["word_limits"])
    place = {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in case["session"].items()}
    return SessionPolicy(**values), Session(**place)


def play(case: dict) -> dict:
    """Transcript of a described case, by the real implementation."""
    rules, place = build(case)
    demands = Requirements(pinned=rules.partners, two_parties=True)
    nodes = {
        i: Participant(policy=rules, session=place, identity=identity(i), requirements=demands,
                       lock_store=MemoryLockStore(), root=digest("root", u16(i)))
        for i in rules.ids
    }  # fmt: skip
    dropped = dict.fromkeys(case["silent"], "share") | dict.fromkeys(case["dropped"], "mask")
    updates = {int(i): np.array(x, np.float32) for i, x in expanded(case)["updates"].items()}
    words = {int(i): tuple(w) for i, w in case["words"].items()}
    grid = Grid(rules, place, dropped=dropped, nodes=nodes, updates=updates, words=words)
    aggregate = grid.run()
    by = {s: {str(i): raw for stage, i, raw in grid.sent if stage == s} for s in
          ("advertise", "share", "mask", "sign", "unmask")}  # fmt: skip
    for i in aggregate.survivors:
        nodes[i].verify(grid.results[i], aggregate.ring_sum)
    return {
        "policy_digest": rules.digest().hex(),
        "context": aggregate.message[6:38].hex(),
        "adverts": [raw.hex() for raw in by["advertise"].values()],
        "envelopes": {i: hashlib.sha256(raw[2:]).hexdigest() for i, raw in by["share"].items()},
        "headers": {i: upload.header.hex() for i, upload in by["mask"].items()},
        "signatures": {i: raw.hex() for i, raw in by["sign"].items()},
        "reveals": {i: raw.hex() for i, raw in by["unmask"].items()},
        "ring_sum": summary(aggregate.ring_sum.tolist()),
        "result": aggregate.message.hex(),
    }


def malformed(case: dict, good: dict) -> list[dict]:
    """One thing wrong in each; `code` is how it must be refused."""
    rules, place = build(case)
    context0, context = place.context(rules), bytes.fromhex(good["context"])
    advert, header = bytes.fromhex(good["adverts"][1]), bytes.fromhex(good["headers"]["2"])
    signature, reveal = (bytes.fromhex(good[k]["2"]) for k in ("signatures", "reveals"))
    result = bytes.fromhex(good["result"])
    block = 8 * len(rules.word_limits) + 8 * rules.tag_words + 16
    sizes = {1: 144, 3: 96 + block, 4: 64, 5: 32 + 32 * len(rules.ids), 17: 32 + block}

    def flip(raw: bytes, at: int) -> bytes:
        return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]

    stranger = sign(identity(77), Kind.SURVIVORS, rules, context, signature[40:-64])
    foreign = Identity(partner=2, key=identity(77).key)
    impostor = sign(foreign, Kind.REVEAL, rules, context, reveal[40:-64])
    elsewhere = sign(identity(2), Kind.UPLOAD, rules, bytes(32), header[40:-64])
    longer = sign(identity(2), Kind.SURVIVORS, rules, context, signature[40:-64] + bytes(32))
    rows = (
        ("an empty advert", 1, context0, b"", "SA-002"),
        ("an advert cut by one byte", 1, context0, advert[:-1], "SA-002"),
        ("an advert with a byte too many", 1, context0, advert + b"\0", "SA-002"),
        ("an advert of version 0", 1, context0, advert[:3] + b"0" + advert[4:], "SA-003"),
        ("an advert with another marker", 1, context0, b"ABC" + advert[3:], "SA-002"),
        ("an advert of another suite", 1, context0, flip(advert, 5), "SA-003"),
        ("an advert with a flipped key bit", 1, context0, flip(advert, 130), "SA-004"),
        (
            "an advert with a flipped signature bit",
            1,
            context0,
            flip(advert, len(advert) - 1),
            "SA-004",
        ),
        ("an advert of another session", 1, context, advert, "SA-010"),
        ("an upload header where a signature record belongs", 4, context, header, "SA-002"),
        ("an upload header of another context, signed", 3, context, elsewhere, "SA-010"),
        ("a header with a flipped word", 3, context, flip(header, 150), "SA-004"),
        ("a survivor signature of an unknown partner", 4, context, stranger, "SA-005"),
        ("a survivor signature with left-overs, signed", 4, context, longer, "SA-002"),
        ("a reveal signed by another key", 5, context, impostor, "SA-004"),
        ("a reveal with one share less", 5, context, reveal[:-96] + reveal[-64:], "SA-002"),
        ("a result of another session", 17, context0, result, "SA-010"),
        ("a result with a tag less", 17, context, result[:-8], "SA-002"),
        ("a survivor set of the wrong kind", 17, context, flip(result, 4), "SA-002"),
    )
    names = ("name", "kind", "context", "message", "code")
    assert bitmap(rules, rules.ids)[0] == 0b1111
    return [
        dict(zip(names, (n, k, c.hex(), m.hex(), code), strict=True)) | {"size": sizes[k]}
        for n, k, c, m, code in rows
    ]


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    cases = [describe(spec) for spec in SESSIONS]
    sessions = [case | {"expected": play(case)} for case in cases]
    base = next(case for case in sessions if case["name"] == "words, two tags")
    whole = base | {"dropped": []}
    good = play(whole)
    broken = {"policy": whole["policy"], "session": whole["session"],
              "messages": malformed(whole, good)}  # fmt: skip
    for name, value in (("sessions", sessions), ("malformed", broken)):
        (FOLDER / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def summary(ring_sum: list[int]) -> list[int] | str:
    """A sum as JSON: in full, or the SHA-256 of its 32-bit words if it is long."""
    if len(ring_sum) <= 1000:
        return ring_sum
    return hashlib.sha256(np.array(ring_sum, "<u4").tobytes()).hexdigest()


if __name__ == "__main__":
    main()
