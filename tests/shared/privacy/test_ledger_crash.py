"""Killed at random moments, the ledger never under-counts and never charges a release twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from shared.privacy.accounting import Budget, Mechanism
from shared.privacy.ledger import Ledger

PROGRAM = textwrap.dedent(
    """
    import hashlib, os, sys
    from pathlib import Path
    import shared.privacy.ledger as module
    from shared.privacy.accounting import Budget, Mechanism
    from shared.privacy.ledger import Ledger
    from shared.privacy.spends import Release

    module.epsilon = lambda history, delta: 1e-6 * sum(m.steps for m in history)  # only its speed
    folder = Path(sys.argv[1])
    ledger = Ledger(folder / "ledger.jsonl", node="alpha", lifetime=Budget(epsilon=1, delta=1e-4))
    cost = Mechanism(noise_multiplier=5.0, sample_rate=1.0, steps=1)
    trained = os.open(folder / "trained", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sent = os.open(folder / "sent", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    for number in range(100_000):
        release = Release(plan="p", round=number, model="b")
        spend = ledger.reserve(release, [cost], plan_budget=Budget(epsilon=1, delta=1e-4))
        os.write(trained, b"x\\n")                  # training looks at the data from here on
        update = os.urandom(8)
        ledger.commit(spend, update)
        os.write(sent, hashlib.sha256(update).hexdigest().encode() + b"\\n")
        ledger.commit(spend, update)                # sent again: no new charge
    """
)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _run_and_kill(folder: Path, delay: float) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_points_it_only_ever_over_counts(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(5):
        _run_and_kill(tmp_path, generator.uniform(0, 0.08))
        spends = Ledger(
            tmp_path / "ledger.jsonl", node="alpha", lifetime=Budget(epsilon=1, delta=1e-4)
        ).spends()
        trained, sent = len(_lines(tmp_path / "trained")), _lines(tmp_path / "sent")
        charged = [spend.update for spend in spends]
        assert len(charged) >= trained, "trained without a charge on disk"
        assert set(sent) <= set(charged), "sent without a commit on disk"
        assert all(charged.count(update) == 1 for update in sent), "a release charged twice"
        assert all(s.mechanisms == (COST,) for s in spends)


COST = Mechanism(noise_multiplier=5.0, sample_rate=1.0, steps=1)


@pytest.mark.parametrize("cut", range(1, 12))
def test_whatever_part_of_the_last_write_survives_nothing_older_is_lost(
    tmp_path: Path, cut: int
) -> None:
    """A machine that loses power leaves any prefix of the last line."""
    from shared.privacy.spends import Release

    path, lifetime = tmp_path / "ledger.jsonl", Budget(epsilon=5, delta=1e-4)
    ledger = Ledger(path, node="alpha", lifetime=lifetime)
    ledger.reserve(Release(plan="p", round=0, model="b"), [COST], plan_budget=lifetime)
    head = path.with_name(path.name + ".head").read_bytes()
    before = path.read_bytes()
    ledger.reserve(Release(plan="p", round=1, model="b"), [COST], plan_budget=lifetime)
    last = path.read_bytes()[len(before) :]
    path.write_bytes(before + last[: len(last) * cut // 12])
    path.with_name(path.name + ".head").write_bytes(head)
    again = Ledger(path, node="alpha", lifetime=lifetime)
    assert len(again.spends()) == 1
    again.reserve(Release(plan="p", round=1, model="b"), [COST], plan_budget=lifetime)
    assert len(Ledger(path, node="alpha", lifetime=lifetime).spends()) == 2
