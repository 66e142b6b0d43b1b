"""Remove any one check of the package and a test goes red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.shared.secagg.mutations import SLICE, mutations, sliced, survives


def test_the_checks_of_the_package_are_found():
    assert len(mutations()) > 80


def test_a_check_that_no_test_concerns_survives(tmp_path):
    assert survives(mutations()[0], tmp_path, {})
    assert sliced(mutations(), {}) == []


def test_tests_notice_that_a_check_is_gone():
    """A slice; the whole run, half a minute of processor time, is `make mutation-secagg`."""
    command = [sys.executable, "-m", "tests.shared.secagg.mutations", "--slice"]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("noticed ") >= SLICE
