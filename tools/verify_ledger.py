"""Check a privacy ledger without trusting the software that wrote it.

    python verify_ledger.py LEDGER [--head HASH]

Reads the file of JSON lines, recomputes the hash chain, replays every reservation against the caps
that the ledger states, and recomputes epsilon with Google's dp-accounting. Exit status 0 when
everything holds, 1 otherwise. Needs: Python 3.11, dp-accounting. Uses nothing else of Isthmus.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent
from dp_accounting import SelfComposedDpEvent as Repeated
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

Line = dict[str, Any]
Step = tuple[float, float, float | None]
"""Noise multiplier, sample rate and, of noise that platforms share, the sampler's slack."""
History = Counter[Step]


class BrokenLedgerError(Exception):
    """What is wrong with the ledger."""


def read_chain(data: bytes) -> list[Line]:
    """Lines of the ledger, each of which names and fits the one before."""
    if not data.endswith(b"\n"):
        raise BrokenLedgerError("the last line is torn (a crash) or was cut")
    lines, previous = [], "0" * 64
    for number, raw in enumerate(data.splitlines()):
        line = json.loads(raw)
        body = {key: value for key, value in line.items() if key != "hash"}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        if line["seq"] != number or line["previous"] != previous:
            raise BrokenLedgerError(f"line {number + 1} does not follow the one before")
        if line["hash"] != hashlib.sha256(text.encode()).hexdigest():
            raise BrokenLedgerError(f"line {number + 1} was altered")
        previous = line["hash"]
        lines.append(line)
    return lines


def epsilon(history: History, delta: float) -> float:
    """Epsilon of Poisson-sampled Gaussian steps, adding or removing one user.

    Shared noise is discrete: only Rényi divergences of integer orders bound it, and what its
    sampler lacks in precision is taken from delta. With both kinds each has half of delta.
    """
    own = Counter({step: n for step, n in history.items() if step[2] is None})
    shared = Counter({step: n for step, n in history.items() if step[2] is not None})
    if own and shared:
        return epsilon(own, delta / 2) + epsilon(shared, delta / 2)
    if not history:
        return 0.0
    add_or_remove = NeighboringRelation.ADD_OR_REMOVE_ONE
    orders = [*range(2, 65), *range(68, 129, 4), *range(144, 513, 16)]
    accountant = RdpAccountant(orders, add_or_remove) if shared else PLDAccountant(add_or_remove)
    for (noise, rate, _), steps in history.items():
        step = PoissonSampledDpEvent(rate, GaussianDpEvent(noise))
        accountant.compose(Repeated(step, steps))
    slack = sum(n * (step[2] or 0.0) for step, n in history.items())
    found = float(accountant.get_epsilon(delta / 2 if slack else delta))
    return math.inf if slack and (1 + math.exp(min(found, 700.0))) * slack > delta / 2 else found


def step_of(mechanism: Line) -> Step:
    """What the accountant needs of one mechanism."""
    if mechanism.get("mismatch", 0.0) > 1e-9:
        raise BrokenLedgerError("shared noise too narrow for its lattice")
    return mechanism["noise_multiplier"], mechanism["sample_rate"], mechanism.get("slack")


def check_bands(mechanism: Line, first: Line) -> None:
    """Banded noise costs what is charged only if every round of a model goes on with the same."""
    count = mechanism.get("bands", 1)
    if not isinstance(count, int) or count < 1 or count != first.get("bands", 1):
        raise BrokenLedgerError(f"a model changes to noise of {count!r} bands in its run")
    if count > 1 and any(mechanism[k] != first[k] for k in ("noise_multiplier", "sample_rate")):
        raise BrokenLedgerError("banded noise changes its terms in its run")


def replay(lines: list[Line]) -> str:
    """Hold every reservation against the caps that stood at its time; the result in a sentence."""
    if not lines or lines[0]["kind"] != "open":
        raise BrokenLedgerError("the ledger does not begin with its terms")
    delta, cap = lines[0]["delta"], lines[0]["epsilon"]
    everything: History = Counter()
    plans: dict[str, History] = {}
    budgets: dict[str, Line] = {}
    commits: dict[int, str] = {}
    bands: dict[tuple[str, str, int], Line] = {}
    reserved = set()
    for line in lines[1:]:
        if line["kind"] == "lifetime":
            if epsilon(everything, delta) > cap:
                raise BrokenLedgerError(f"more than {cap} was spent before line {line['seq'] + 1}")
            cap = line["epsilon"]
        elif line["kind"] == "commit":
            number = line["reservation"]
            if (
                number not in reserved
                or commits.setdefault(number, line["update"]) != line["update"]
            ):
                raise BrokenLedgerError(f"line {line['seq'] + 1} commits what was not reserved")
        elif line["kind"] == "reserve":
            reserved.add(line["seq"])
            budgets[line["plan"]] = line["plan_budget"]
            for part, m in enumerate(line["mechanisms"]):
                check_bands(m, bands.setdefault((line["plan"], line["model"], part), m))
                everything[step_of(m)] += m["steps"]
                plans.setdefault(line["plan"], Counter())[step_of(m)] += m["steps"]
        else:
            raise BrokenLedgerError(f"line {line['seq'] + 1} is of unknown kind {line['kind']!r}")
    for plan, history in plans.items():
        if epsilon(history, budgets[plan]["delta"]) > budgets[plan]["epsilon"]:
            raise BrokenLedgerError(f"plan {plan} spent more than its cap")
    spent = epsilon(everything, delta)
    if spent > cap:
        raise BrokenLedgerError(f"epsilon {spent:.4f} exceeds the lifetime cap {cap}")
    return f"{len(reserved)} reservations, {len(commits)} released, epsilon {spent:.4f} of {cap}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--head", help="hash of a line that the ledger must still contain")
    arguments = parser.parse_args()
    try:
        lines = read_chain(arguments.ledger.read_bytes())
        if arguments.head and arguments.head not in {line["hash"] for line in lines}:
            raise BrokenLedgerError(
                "the line with the given hash is missing: the ledger was cut short"
            )
        print("ok:", replay(lines))
    except (BrokenLedgerError, KeyError, TypeError, ValueError) as problem:
        print("BROKEN:", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
