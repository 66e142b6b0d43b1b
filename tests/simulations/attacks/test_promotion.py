"""A partner that promotes an item: what it can do, and what refuses it."""

from __future__ import annotations

import numpy as np
import pytest

from shared.secagg.errors import SumBoundError
from simulations.attacks.observing import HonestParty, Party, watch
from simulations.attacks.promotion import BoostedParty, attacker, norm_that_passes, poisoned
from simulations.attacks.promotion_trials import Outcome, Promotions, promotion_row
from simulations.attacks.world import Cohort, World
from simulations.federated import declared_users
from tests.clients.training.worlds import histories_of


@pytest.fixture(scope="module")
def promotions(shops: World) -> Promotions:
    return Promotions(shops, lambda *_: None)


def _cohort(shops: World, update_norm: float = 0.0) -> Cohort:
    return shops.cohort(
        [declared_users(len(p.split.training)) for p in shops.platforms],
        rounds=1,
        local=shops.recipe.federation.local,
        privacy=shops.recipe.federation.privacy,
        update_norm=update_norm,
    )


def _parties(shops: World, cohort: Cohort, malicious: Party) -> dict[int, Party]:
    honest = {
        number: HonestParty(cohort.plan, number, shops.platforms[number - 1].training_data())
        for number in (1, 2)
    }
    return {**honest, 3: malicious}


def test_every_poisoned_history_is_a_true_beginning_and_the_item() -> None:
    real = histories_of([1, 2, 3, 4], [], [5], [6, 7])
    false = poisoned(real, 99, seed=0)
    assert len(false) == 3
    for row, whole in enumerate(([1, 2, 3, 4], [5], [6, 7])):
        found = false.items_of(row).tolist()
        assert found[-1] == 99
        assert found[:-1] == whole[: len(found) - 1]
        assert len(found) > 1


def test_a_boosted_update_fills_the_range_and_no_more(shops: World) -> None:
    cohort = _cohort(shops)
    data = shops.platforms[2].training_data()
    update = BoostedParty(cohort.plan, data, None).update(shops.first_weights)
    assert np.abs(update).max() == pytest.approx(cohort.plan.aggregation.update_range)


def test_a_sum_above_the_plans_norm_is_refused_and_one_below_is_not(shops: World) -> None:
    data = shops.platforms[2].training_data()
    cohort = _cohort(shops, update_norm=2.0)
    over = attacker("over_the_norm", cohort.plan, 3, data)
    with pytest.raises(SumBoundError, match="norm"):
        watch(cohort, _parties(shops, cohort, over))
    cohort = _cohort(shops, update_norm=2.0)
    within = attacker("within_the_norm", cohort.plan, 3, data)
    seen = watch(cohort, _parties(shops, cohort, within))
    length = float(np.linalg.norm(seen.rounds[0].updates[3]))
    assert length == pytest.approx(norm_that_passes(cohort.plan), rel=1e-3)
    assert length > 2.0


def test_honest_partners_keep_to_the_plans_norm(shops: World) -> None:
    cohort = _cohort(shops, update_norm=0.5)
    data = shops.platforms[0].training_data()
    update = HonestParty(cohort.plan, 1, data).update(shops.first_weights)
    assert float(np.linalg.norm(update)) <= 0.5 * (1 + 1e-6)


def test_an_unbounded_partner_lifts_its_item_at_another_one(promotions: Promotions) -> None:
    honest = promotions.run("honest", 0, 0.0)
    boosted = promotions.run("boosted", 0, 0.0)
    assert boosted.released < honest.released / 2
    assert boosted.update_norm > 3 * honest.update_norm


def test_a_refused_sum_releases_nothing(promotions: Promotions) -> None:
    outcome = promotions.run("over_the_norm", 0, 0.5)
    assert outcome.refused_sum
    assert outcome.released == 0.0


def test_shifts_are_against_the_honest_training_and_without_refused_sums() -> None:
    honest = [
        Outcome(norm_bound=0, update_norm=1, refused_sum=False, released=r, served=r, catalogue=9)
        for r in (50.0, 60.0, 70.0)
    ]
    found = [
        Outcome(norm_bound=2, update_norm=3, refused_sum=True),
        Outcome(norm_bound=2, update_norm=3, refused_sum=False, released=20, served=60, weight=0.1),
        Outcome(
            norm_bound=2, update_norm=3, refused_sum=False, released=40, served=70,
            refused_release=True,
        ),
    ]  # fmt: skip
    row = promotion_row("within_the_norm", found, honest)
    assert (row.refused_sums, row.refused_releases, row.unweighted_releases) == (1, 1, 0)
    assert row.released_shift is not None
    assert row.released_shift.mean == pytest.approx((40 + 30) / 2)
    assert row.served_shift is not None
    assert row.served_shift.mean == 0
