"""Remove any one check of the package and a test goes red."""

from __future__ import annotations

import pytest

from tests.shared.secagg.mutations import mutations, prepare, survives

CHECKS = mutations()


def test_the_checks_of_the_package_are_found():
    assert len(CHECKS) > 80


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_test_notices_that_this_check_is_gone(check, tmp_path):
    prepare(tmp_path)
    assert not survives(check, tmp_path)
