"""Shared noise is charged validly, and says whom its epsilon trusts."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent
from dp_accounting.rdp import RdpAccountant

from shared.privacy.accounting import Budget, Mechanism, default_delta, epsilon, trusting_nobody
from shared.privacy.distributed import _ORDERS, DistributedGaussian, distributed_epsilon
from shared.privacy.errors import InvalidMechanismError, LifetimeBudgetError
from shared.privacy.ledger import Ledger
from shared.privacy.report import privacy_report
from shared.privacy.spends import Release

VERIFIER = Path(__file__).parents[3] / "tools" / "verify_ledger.py"
STEP = DistributedGaussian(
    noise_multiplier=2.0,
    alone_multiplier=1.0,
    honest=4,
    sample_rate=0.3,
    steps=10,
    mismatch=0.0,
    slack=1e-13,
)


@pytest.mark.parametrize(
    ("noise", "rate", "steps"), [(0.7, 0.01, 100), (2.0, 0.3, 20), (9.0, 0.5, 200), (3.0, 1.0, 5)]
)
def test_without_slack_it_agrees_with_dp_accounting(noise, rate, steps):
    accountant = RdpAccountant(_ORDERS, NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), steps)
    step = replace(STEP, noise_multiplier=noise, sample_rate=rate, steps=steps, slack=0.0)
    assert distributed_epsilon([step], 1e-5) == pytest.approx(accountant.get_epsilon(1e-5))


@pytest.mark.parametrize("sigma", [1.0, 2.5])
@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_the_bound_holds_for_the_discrete_mechanism_itself(sigma, rate):
    """δ of one sampled step in one dimension, summed over the lattice, in both directions."""
    support = np.arange(-80, 82)
    base, moved = (np.exp(-((support - shift) ** 2) / (2 * sigma**2)) for shift in (0, 1))
    base, moved = base / base.sum(), moved / moved.sum()
    mixture = (1 - rate) * base + rate * moved
    step = replace(STEP, noise_multiplier=sigma, sample_rate=rate, steps=1, slack=0.0)
    for delta, (p, q) in itertools.product((1e-3, 1e-6), ((mixture, base), (base, mixture))):
        bound = distributed_epsilon([step], delta)
        assert np.maximum(p - math.exp(bound) * q, 0).sum() <= delta


def test_a_mismatch_and_the_samplers_slack_cost_something():
    exact = distributed_epsilon([replace(STEP, slack=0.0)], 1e-5)
    assert distributed_epsilon([STEP], 1e-5) > exact
    assert distributed_epsilon([replace(STEP, slack=0.0, mismatch=0.01)], 1e-5) > exact
    assert distributed_epsilon([STEP], 1e-12) == math.inf


def test_alone_it_has_its_own_share_only():
    assert STEP.alone().noise_multiplier == 1.0
    assert epsilon(trusting_nobody([STEP]), 1e-5) > epsilon([STEP], 1e-5)
    own = Mechanism(noise_multiplier=1.0, sample_rate=0.1, steps=5)
    assert trusting_nobody([own]) == (own,)


def test_both_kinds_of_noise_add_up_with_half_of_delta_each():
    own = Mechanism(noise_multiplier=1.0, sample_rate=0.1, steps=5)
    both = epsilon([own, STEP], 1e-5)
    assert both == epsilon([own], 5e-6) + epsilon([STEP], 5e-6)
    assert epsilon([STEP, STEP], 1e-5) == pytest.approx(epsilon([replace(STEP, steps=20)], 1e-5))


@pytest.mark.parametrize(
    "change",
    [{"noise_multiplier": 0.0}, {"sample_rate": 1.5}, {"steps": 0}, {"honest": 0}, {"slack": 1.0}],
    ids=["noise", "rate", "steps", "honest", "slack"],
)
def test_numbers_outside_their_range_are_refused(change):
    with pytest.raises(InvalidMechanismError):
        replace(STEP, **change)


def _ledger(path: Path, cap: float = 8.0) -> Ledger:
    return Ledger(path, node="alpha", lifetime=Budget(epsilon=cap, delta=default_delta(2000)))


def _reserve(ledger: Ledger, number: int) -> None:
    release = Release(plan="p", round=number, model="behaviour")
    step = replace(STEP, steps=1)
    spend = ledger.reserve(release, [step], plan_budget=Budget(epsilon=8.0, delta=1e-4))
    ledger.commit(spend, b"update %d" % number)


def test_the_ledger_keeps_it_across_processes_and_refuses_beyond_the_cap(tmp_path):
    for number in (1, 2):
        _reserve(_ledger(tmp_path / "l"), number)
    ledger = _ledger(tmp_path / "l")
    assert ledger.history() == (replace(STEP, steps=1),) * 2
    tight = _ledger(tmp_path / "tight", cap=0.1)
    with pytest.raises(LifetimeBudgetError):
        _reserve(tight, 1)
    assert tight.spends() == ()


def test_the_report_says_whom_epsilon_trusts(tmp_path):
    ledger = _ledger(tmp_path / "l")
    assert privacy_report(ledger).honest == 0
    assert "trusts nobody else" in privacy_report(ledger).as_text()
    _reserve(ledger, 1)
    report = privacy_report(ledger)
    assert report.trusting_nobody > report.spent
    assert "at least 4 platforms in every sum" in report.as_text()
    assert f"epsilon is {report.trusting_nobody:.3f}" in report.as_json()["guarantee"]


def test_the_independent_verifier_accepts_it_and_finds_an_overdraft(tmp_path):
    path = tmp_path / "l"
    for number in (1, 2):
        _reserve(_ledger(path), number)
    checked = subprocess.run([sys.executable, VERIFIER, path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    spent = _ledger(path).spent()
    assert float(checked.stdout.split("epsilon ")[1].split()[0]) == pytest.approx(spent, abs=0.01)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[1]["mechanisms"][0]["honest"] == 4
