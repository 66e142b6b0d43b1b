"""One platform cut into shops of one trade."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from simulations.datasets.federation import FederationData
from simulations.datasets.generated import GeneratorSettings, load_generated
from simulations.datasets.shops import ShopSplit, TooManyShopsError, split_into_shops

SETTINGS = GeneratorSettings(users=(400,), items=(200,), events_per_user=8.0)


@pytest.fixture(scope="module")
def source() -> FederationData:
    return load_generated(SETTINGS, seed=0)


def test_every_user_is_the_customer_of_one_shop_at_most(source: FederationData) -> None:
    split = split_into_shops(source, ShopSplit(shops=5), seed=1)
    users = [user for platform in split.platforms for user in platform.histories.users]
    assert len(users) == len(set(users))
    assert set(users) <= set(source.platforms[0].histories.users)
    assert len(users) > 0.95 * len(source.platforms[0].histories)


def test_catalogues_overlap_and_articles_keep_their_public_ids(source: FederationData) -> None:
    shops = split_into_shops(source, ShopSplit(shops=2, assortment=0.5), seed=1).platforms
    first, second = (set(shop.catalogue.item_ids) for shop in shops)
    everything = set(source.platforms[0].catalogue.item_ids)
    assert first | second <= everything
    assert 0.15 * len(everything) < len(first & second) < 0.35 * len(everything)


def test_a_shops_histories_are_the_events_with_articles_that_it_carries(
    source: FederationData,
) -> None:
    platform = source.platforms[0]
    by_user = {u: platform.histories.items_of(n) for n, u in enumerate(platform.histories.users)}
    for shop in split_into_shops(source, ShopSplit(shops=3), seed=1).platforms:
        carried = set(shop.catalogue.item_ids)
        for number, user in enumerate(shop.histories.users):
            bought = [shop.catalogue.item_ids[i] for i in shop.histories.items_of(number)]
            all_bought = [platform.catalogue.item_ids[i] for i in by_user[user]]
            assert bought == [item for item in all_bought if item in carried]


def test_users_go_where_most_of_what_they_bought_is_sold(source: FederationData) -> None:
    split = split_into_shops(source, ShopSplit(shops=8, assortment=0.5), seed=1)
    events = sum(len(shop.histories.items) for shop in split.platforms)
    assert events > 0.6 * len(source.platforms[0].histories.items)


def test_a_giant_may_carry_everything_and_the_others_what_they_carried(
    source: FederationData,
) -> None:
    plain = ShopSplit(shops=3, giant=0.6)
    whole = plain.model_copy(update={"giant_assortment": 1.0})
    before = split_into_shops(source, plain, seed=1).platforms
    after = split_into_shops(source, whole, seed=1).platforms
    assert after[0].catalogue == source.platforms[0].catalogue
    assert len(before[0].catalogue) < 0.7 * len(after[0].catalogue)
    assert [s.catalogue for s in before[1:]] == [s.catalogue for s in after[1:]]


def test_the_giant_has_its_share_and_the_newcomer_few_events(source: FederationData) -> None:
    settings = ShopSplit(shops=4, giant=0.6, newcomer_users=20, newcomer_events=3)
    shops = split_into_shops(source, settings, seed=1).platforms
    sizes = [len(shop.histories) for shop in shops]
    assert 0.5 * 380 < sizes[0] <= 0.6 * 380 + 1
    assert sizes[-1] <= 20
    assert shops[-1].histories.lengths.max() <= 3


def test_the_same_seed_gives_the_same_shops_and_persons_follow(source: FederationData) -> None:
    first = split_into_shops(source, ShopSplit(shops=3), seed=1)
    again = split_into_shops(source, ShopSplit(shops=3), seed=1)
    for one, other in zip(first.platforms, again.platforms, strict=True):
        assert one.histories.users == other.histories.users
        assert len(first.persons[one.name]) == len(one.histories)
    other_seed = split_into_shops(source, ShopSplit(shops=3), seed=2)
    assert other_seed.platforms[0].histories.users != first.platforms[0].histories.users


def test_the_quick_setting_uses_some_users_only(source: FederationData) -> None:
    shops = split_into_shops(source, ShopSplit(shops=2, users=100), seed=1).platforms
    assert sum(len(shop.histories) for shop in shops) <= 100
    assert np.all([len(shop.histories) > 30 for shop in shops])


def test_more_shops_than_users_can_fill_are_refused(source: FederationData) -> None:
    with pytest.raises(TooManyShopsError, match="would have"):
        split_into_shops(source, ShopSplit(shops=100), seed=1)


def test_a_giant_and_a_newcomer_alone_are_no_federation() -> None:
    with pytest.raises(ValidationError, match="third shop"):
        ShopSplit(shops=2, giant=0.5, newcomer_users=10)
