"""The ledger refuses overspending, charges what was trained and nothing that is merely resent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.privacy.accounting import Budget, Mechanism, epsilon
from shared.privacy.errors import (
    InvalidMechanismError,
    LedgerMismatchError,
    LifetimeBudgetError,
    PlanBudgetError,
    UnknownReservationError,
)
from shared.privacy.ledger import Ledger
from shared.privacy.report import privacy_report
from shared.privacy.spends import Release, history_of, read_spends

LIFETIME = Budget(epsilon=1.0, delta=1e-4)
PLAN = Budget(epsilon=0.7, delta=1e-4)
COST = Mechanism(noise_multiplier=10.0, sample_rate=1.0, steps=1)
VERIFIER = Path(__file__).parents[3] / "tools" / "verify_ledger.py"


def _ledger(path: Path, lifetime: Budget = LIFETIME) -> Ledger:
    return Ledger(path / "ledger.jsonl", node="alpha", lifetime=lifetime)


def _release(number: int, plan: str = "p") -> Release:
    return Release(plan=plan, round=number, model="behaviour")


def test_reservations_are_charged_at_once_and_survive_reopening(tmp_path: Path) -> None:
    _ledger(tmp_path).reserve(_release(0), [COST], plan_budget=PLAN)
    again = _ledger(tmp_path)
    assert again.spent() == epsilon([COST], LIFETIME.delta) > 0
    assert again.history("p") == (COST,)
    assert again.history("other") == ()


def test_a_release_is_reserved_once_for_the_same_mechanisms(tmp_path: Path) -> None:
    first = _ledger(tmp_path).reserve_once(_release(0), [COST], plan_budget=PLAN)
    ledger = _ledger(tmp_path)
    assert ledger.reserve_once(_release(0), [COST], plan_budget=PLAN) == first
    assert len(ledger.spends()) == 1
    dearer = replace(COST, noise_multiplier=9.0)
    assert ledger.reserve_once(_release(0), [dearer], plan_budget=PLAN).number != first.number
    assert ledger.reserve_once(_release(1), [COST], plan_budget=PLAN).number != first.number
    assert len(ledger.spends()) == 3


def test_a_round_beyond_the_plans_cap_is_refused_and_says_what_is_left(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    tight = Budget(epsilon=epsilon([COST] * 2, PLAN.delta), delta=PLAN.delta)
    for number in range(2):
        ledger.reserve(_release(number), [COST], plan_budget=tight)
    with pytest.raises(PlanBudgetError, match=r"spent 0\.\d+, left "):
        ledger.reserve(_release(2), [COST], plan_budget=tight)
    assert len(ledger.spends()) == 2


def test_plans_together_cannot_exceed_the_lifetime_cap(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path, Budget(epsilon=epsilon([COST] * 2, 1e-4), delta=1e-4))
    for plan in ("a", "b"):
        ledger.reserve(_release(0, plan), [COST], plan_budget=LIFETIME)
    with pytest.raises(LifetimeBudgetError, match="left"):
        ledger.reserve(_release(0, "c"), [COST], plan_budget=LIFETIME)


def test_both_models_are_charged_together(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    ledger.reserve(_release(0), [COST], plan_budget=PLAN)
    ledger.reserve(
        Release(plan="p", round=0, model="content"), [COST.scaled(2.0)], plan_budget=PLAN
    )
    assert ledger.spent() == epsilon([COST, COST.scaled(2.0)], LIFETIME.delta)


def test_the_same_bytes_may_be_sent_again_and_others_may_not(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    reservation = ledger.reserve(_release(0), [COST], plan_budget=PLAN)
    assert not ledger.is_released(_release(0), b"update")
    ledger.commit(reservation, b"update")
    spent, head = ledger.spent(), ledger.head
    ledger.commit(reservation, b"update")
    assert ledger.is_released(_release(0), b"update")
    assert not ledger.is_released(_release(0), b"other noise")
    assert not ledger.is_released(_release(1), b"update")
    assert (ledger.spent(), ledger.head) == (spent, head)
    with pytest.raises(UnknownReservationError):
        ledger.commit(reservation, b"other noise")


def test_training_a_round_again_is_charged_again(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    for _ in range(2):
        ledger.reserve(_release(0), [COST], plan_budget=PLAN)
    assert ledger.spent() == epsilon([COST] * 2, LIFETIME.delta)


def test_a_commit_without_a_reservation_is_refused(tmp_path: Path) -> None:
    other = _ledger(tmp_path / "other").reserve(_release(0), [COST], plan_budget=PLAN)
    with pytest.raises(UnknownReservationError):
        _ledger(tmp_path).commit(other, b"update")


def test_a_release_without_a_mechanism_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMechanismError):
        _ledger(tmp_path).reserve(_release(0), [], plan_budget=PLAN)


def test_a_ledger_of_another_node_or_under_other_terms_is_refused(tmp_path: Path) -> None:
    _ledger(tmp_path)
    with pytest.raises(LedgerMismatchError, match="node"):
        Ledger(tmp_path / "ledger.jsonl", node="beta", lifetime=LIFETIME)
    for terms in (Budget(epsilon=2.0, delta=1e-4), Budget(epsilon=1.0, delta=1e-5)):
        with pytest.raises(LedgerMismatchError):
            _ledger(tmp_path, terms)


def test_raising_the_cap_is_on_the_record(tmp_path: Path) -> None:
    _ledger(tmp_path).amend_lifetime(2.0)
    raised = _ledger(tmp_path, Budget(epsilon=2.0, delta=1e-4))
    assert raised.lifetime.epsilon == 2.0
    with pytest.raises(LedgerMismatchError):
        _ledger(tmp_path)


def test_two_holders_cannot_spend_the_same_budget(tmp_path: Path) -> None:
    terms = Budget(epsilon=epsilon([COST], 1e-4), delta=1e-4)
    first, second = _ledger(tmp_path, terms), _ledger(tmp_path, terms)
    first.reserve(_release(0), [COST], plan_budget=PLAN)
    with pytest.raises(LifetimeBudgetError):
        second.reserve(_release(0, "q"), [COST], plan_budget=PLAN)


def test_the_report_says_what_was_spent_what_is_left_and_what_it_means(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    ledger.commit(ledger.reserve(_release(0), [COST], plan_budget=PLAN), b"update")
    ledger.reserve(_release(1), [COST], plan_budget=PLAN)
    report = privacy_report(ledger)
    assert report.spent == ledger.spent()
    assert report.left == pytest.approx(1.0 - report.spent)
    (plan,) = report.plans
    assert (plan.rounds, plan.released) == (2, 1)
    text = report.as_text()
    assert "charged, never released" in text
    assert "add or remove" in text
    assert f"{report.spent:.3f}" in text
    assert json.loads(json.dumps(report.as_json()))["head"] == ledger.head


def test_an_empty_ledger_reports_that_nothing_left(tmp_path: Path) -> None:
    assert "Nothing that depends on any user" in privacy_report(_ledger(tmp_path)).as_text()


def _verify(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(VERIFIER), str(path / "ledger.jsonl"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_verifier_agrees_and_uses_nothing_of_ours(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    ledger.commit(ledger.reserve(_release(0), [COST], plan_budget=PLAN), b"update")
    done = _verify(tmp_path, "--head", ledger.head)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"epsilon {ledger.spent():.3f}"[:-1] in done.stdout
    imports = re.findall(r"^(?:from|import) (\w+)", VERIFIER.read_text(), re.MULTILINE)
    assert not {"shared", "clients", "server", "simulations"} & set(imports)


def test_the_verifier_finds_an_altered_a_shortened_and_an_overspent_ledger(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    for number in range(2):
        ledger.reserve(_release(number), [COST], plan_budget=PLAN)
    file = tmp_path / "ledger.jsonl"
    whole, head = file.read_bytes(), ledger.head
    file.write_bytes(whole.replace(b'"steps": 1', b'"steps": 0', 1))
    assert _verify(tmp_path).returncode == 1
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert _verify(tmp_path, "--head", head).returncode == 1
    file.write_bytes(_overspent(whole))
    done = _verify(tmp_path)
    assert done.returncode == 1
    assert "cap" in done.stdout


def test_banded_noise_is_named_in_the_report_and_held_by_the_verifier(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    banded = replace(COST, bands=4)
    for number in range(2):
        ledger.reserve(_release(number), [banded], plan_budget=PLAN)
    assert ledger.history() == (banded, banded)
    assert ledger.spent() == epsilon([COST, COST], LIFETIME.delta)
    assert "1 steps in each of 4 groups of users (banded noise" in privacy_report(ledger).as_text()
    assert _verify(tmp_path).returncode == 0


def test_a_second_model_beside_the_banded_one_keeps_its_own_noise(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    for number in range(2):
        ledger.reserve(_release(number), [replace(COST, bands=4), COST], plan_budget=LIFETIME)
    assert _verify(tmp_path).returncode == 0


@pytest.mark.parametrize(
    "other", [replace(COST, bands=1), replace(COST, bands=4, noise_multiplier=11.0)]
)
def test_the_verifier_refuses_banded_noise_that_changes_in_its_run(
    tmp_path: Path, other: Mechanism
) -> None:
    ledger = _ledger(tmp_path)
    ledger.reserve(_release(0), [replace(COST, bands=4)], plan_budget=PLAN)
    ledger.reserve(_release(1), [other], plan_budget=PLAN)
    done = _verify(tmp_path)
    assert done.returncode == 1
    assert "in its run" in done.stdout


def test_ledgers_written_before_there_were_bands_are_read(tmp_path: Path) -> None:
    _ledger(tmp_path).reserve(_release(0), [COST], plan_budget=PLAN)
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(_rewritten(file.read_bytes(), lambda mechanism: mechanism.pop("bands")))
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert history_of(read_spends(lines)) == (COST,)
    assert _verify(tmp_path).returncode == 0


def _overspent(ledger: bytes) -> bytes:
    """The same ledger, rewritten consistently with far too little noise."""
    return _rewritten(ledger, lambda mechanism: mechanism.update(noise_multiplier=0.5))


def _rewritten(ledger: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    from shared.privacy.journal import GENESIS, entry_hash

    lines, previous = [], GENESIS
    for line in ledger.splitlines():
        entry = json.loads(line)
        for mechanism in entry.get("mechanisms", []):
            change(mechanism)
        entry["previous"] = previous
        entry["hash"] = previous = entry_hash(entry)
        lines.append(json.dumps(entry, sort_keys=True).encode() + b"\n")
    return b"".join(lines)
