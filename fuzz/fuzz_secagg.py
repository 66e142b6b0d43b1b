"""Atheris target: bytes into every decoder of secure aggregation.

``python fuzz/fuzz_secagg.py -runs=100000``; needs ``atheris``, which is not a dependency. The first
byte chooses the decoder, the rest is its message; anything but a refusal or silence is a finding.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["shared.secagg"]):
    from shared.secagg import Suite
    from tests.shared.secagg.decoders import decoders, feed

TARGETS = [
    target
    for suite in (Suite.X25519_AES256, Suite.HYBRID_AES256)
    for _, target in sorted(decoders(suite).items())
]


def one_input(data: bytes) -> None:
    """Feed one input, whole or as a patch on the decoder's valid message."""
    if len(data) < 4:
        return
    valid, decoder = TARGETS[data[0] % len(TARGETS)]
    raw = data[4:]
    if data[1] % 2:
        at = int.from_bytes(data[2:4], "little") % len(valid)
        raw = valid[:at] + raw + valid[at + len(raw) :]
    if raw != valid:
        feed(decoder, raw)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
