"""The loss behind a fusion's weights, its derivatives, and where it is least."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data.dataset import Float64s
from clients.recommenders.choices import Choices, without_the_unneeded

PARTS, USERS, CANDIDATES = 3, 200, 30


@pytest.fixture(scope="module")
def choices() -> Choices:
    """The first part is what users choose by, the second knows a little, the third nothing."""
    random = np.random.default_rng(0)
    told = random.normal(size=(PARTS, USERS, CANDIDATES)).astype(np.float32)
    told[1] += 0.3 * told[0]
    cold = random.random((USERS, CANDIDATES)) < 0.3
    logits = 1.5 * told[0] - 1.0 * cold + random.gumbel(size=(USERS, CANDIDATES))
    chosen, rows = logits.argmax(axis=1), np.arange(USERS)
    shift = np.zeros((USERS, CANDIDATES), dtype=np.float32)
    shift[rows, chosen] = -np.inf
    return Choices(
        logs=told,
        own=told[:, rows, chosen],
        shift=shift,
        cold=cold,
        own_cold=cold[rows, chosen],
    )


@pytest.mark.parametrize("count", [PARTS, 2 * PARTS + 1])
def test_derivatives_are_those_of_the_loss(choices: Choices, count: int) -> None:
    point = np.linspace(0.2, 0.9, count)
    here, steps = choices.under(point), 1e-3 * np.eye(count)
    near = [(choices.under(point + step), choices.under(point - step)) for step in steps]
    numeric = [(ahead.value - behind.value) / 2e-3 for ahead, behind in near]
    np.testing.assert_allclose(here.slope, numeric, atol=2e-4)
    bent = [(ahead.slope - behind.slope) / 2e-3 for ahead, behind in near]
    np.testing.assert_allclose(here.curvature(), bent, atol=2e-3)


@pytest.mark.parametrize("count", [PARTS, 2 * PARTS + 1])
def test_at_the_weights_found_nothing_allowed_would_help(choices: Choices, count: int) -> None:
    allowed = np.ones(count, dtype=bool)
    allowed[1] = False
    weights = choices.fit(allowed)
    slope = choices.under(weights).slope
    assert weights[1] == 0
    assert np.abs(slope[allowed & (weights != 0)]).max() < 1e-3
    assert (slope[allowed & (weights == 0)] > -1e-3).all()


def test_from_near_by_a_refit_finds_about_the_same(choices: Choices) -> None:
    everything = np.ones(PARTS, dtype=bool)
    best = choices.fit(everything)
    fewer = everything.copy()
    fewer[1] = False
    near = choices.refit(fewer, best, choices.under(best).curvature())
    assert near[1] == 0
    assert _loss(choices, near) == pytest.approx(_loss(choices, choices.fit(fewer)), abs=1e-5)


def test_what_knows_nothing_is_left_out_and_what_users_follow_stays(choices: Choices) -> None:
    weights = without_the_unneeded(choices, choices.fit(np.ones(PARTS, dtype=bool)))
    assert weights[0] == pytest.approx(1.5, abs=0.4)
    assert weights[2] == 0


def _loss(choices: Choices, weights: Float64s) -> float:
    return choices.under(weights).value
