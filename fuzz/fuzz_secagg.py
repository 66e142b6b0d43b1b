"""Atheris target: bytes into every decoder of secure aggregation.

``make fuzz-secagg``, or ``python fuzz/fuzz_secagg.py [libFuzzer options]``; needs the extra
``fuzz``. The first byte of an input chooses the decoder, the second whether the rest is the whole
message or a patch on the decoder's valid one. Anything but a refusal is a finding, and so is an
input that takes ten seconds or a process beyond 1 GB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["shared.secagg"]):
    from shared.secagg import Suite
    from tests.shared.secagg.decoders import decoders, feed

DEFAULTS = ("-runs=100000", "-len_control=0", "-max_len=65536", "-timeout=10", "-rss_limit_mb=1024")
CORPUS = Path("runs/fuzz/secagg")
"""Inputs that reached something new; the next run goes on from them."""
HEAD = 4
TARGETS = [
    target
    for suite in (Suite.X25519_AES256, Suite.HYBRID_AES256)
    for _, target in sorted(decoders(suite).items())
]


class AcceptedError(Exception):
    """A decoder took a message that is not the one valid message."""


def one_input(data: bytes) -> None:
    """Feed one input, whole or as a patch on the decoder's valid message."""
    if len(data) < HEAD:
        return
    valid, decoder = TARGETS[data[0] % len(TARGETS)]
    raw = data[HEAD:]
    if data[1] % 2:
        at = int.from_bytes(data[2:HEAD], "little") % len(valid)
        raw = valid[:at] + raw + valid[at + len(raw) :]
    if raw != valid and not feed(decoder, raw):
        raise AcceptedError(f"target {data[0] % len(TARGETS)} accepted {raw.hex()}")


def write_seeds(folder: Path) -> None:
    """Each valid message, whole and as a patch, so that fuzzing begins behind the first checks."""
    for number, (valid, _) in enumerate(TARGETS):
        (folder / f"whole-{number}").write_bytes(bytes([number, 0, 0, 0]) + valid)
        (folder / f"patch-{number}").write_bytes(bytes([number, 1, 40, 0]) + valid[40:72])


def main() -> None:
    """Run with the defaults and whatever the command line adds; libFuzzer ends the process."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    write_seeds(CORPUS)
    atheris.Setup([sys.argv[0], *DEFAULTS, *sys.argv[1:], str(CORPUS)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
