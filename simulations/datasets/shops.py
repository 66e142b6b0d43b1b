"""One platform cut into several shops of the same kind, whose catalogues overlap in part.

What most partners of a federation are: shops of one trade that sell many of the same articles to
different people. Each shop carries a random part of the source's articles; each user becomes the
customer of the shop that carries most of what it bought, as long as that shop has room; what its
shop does not carry it never bought. An article keeps its id in every shop that carries it: the
public key (GTIN, ISBN) under which shops recognise it. Everything follows from the public seed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from clients.data.dataset import Catalogue, Histories, PlatformData
from shared.config import StrictModel
from shared.errors import LabError
from simulations.datasets.federation import FederationData

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MIN_USERS = 8
"""Fewest users that make a shop."""


class TooManyShopsError(LabError):
    """A platform has too few users for the shops that it is to be cut into."""

    code = "LAB-100"
    default_remedy = "ask for fewer shops, or for a smaller giant"


class ShopSplit(StrictModel):
    """How each chosen platform is cut into shops of one trade."""

    shops: Annotated[int, Field(ge=2, le=256)] = 10
    """Shops that one platform becomes, named NAME-01, NAME-02, …"""
    assortment: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the platform's articles that each shop carries, drawn for each shop alone."""
    giant: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the users that are customers of the first shop; 0 = no giant, all of one size."""
    giant_assortment: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the platform's articles that the giant carries; 0 = as the others."""
    newcomer_users: Annotated[int, Field(ge=0)] = 0
    """Users that the last shop, which has just opened, has won so far; 0 = no newcomer."""
    newcomer_events: Annotated[int, Field(ge=3)] = 4
    """Events of each of the newcomer's users so far: the first ones of their histories."""
    users: Annotated[int, Field(ge=0)] = 0
    """Users of the platform that are used, drawn at random; 0 = all (less is the quick setting)."""

    @model_validator(mode="after")
    def _first_and_last_differ(self) -> Self:
        if self.shops < 2 + bool(self.giant and self.newcomer_users):
            raise ValueError("a giant and a newcomer need a third shop beside them")
        return self

    @property
    def assortments(self) -> Floats:
        """(shops,) share of the articles that each carries."""
        shares = np.full(self.shops, self.assortment)
        if self.giant and self.giant_assortment:
            shares[0] = self.giant_assortment
        return shares

    def sizes(self, users: int) -> Ints:
        """(shops,) room for customers in each shop; sums up to at least `users`."""
        count = self.shops - (self.newcomer_users > 0)
        rest = max(users - self.newcomer_users, 0)
        giant = round(self.giant * rest)
        others = count - (giant > 0)
        each = -(-(rest - giant) // others)
        sizes = [giant] * (giant > 0) + [each] * others
        return np.array(sizes + [self.newcomer_users] * (self.newcomer_users > 0), dtype=np.int64)


def split_into_shops(federation: FederationData, split: ShopSplit, seed: int) -> FederationData:
    """Every platform of `federation` as shops; validation reports stay those of the sources.

    Raises
    ------
    TooManyShopsError
        A shop would have fewer than `MIN_USERS` users.
    """
    platforms: list[PlatformData] = []
    persons: dict[str, Ints] = {}
    for number, platform in enumerate(federation.platforms):
        random = np.random.default_rng([seed, number])
        rows = _used(len(platform.histories), split.users, random)
        carried = random.random((split.shops, len(platform.catalogue))) < split.assortments[:, None]
        shop_of = _customers(platform.histories.take(rows), carried, split, random)
        for shop in range(split.shops):
            name = f"{platform.name}-{shop + 1:02d}"
            mine = rows[shop_of == shop]
            if len(mine) < MIN_USERS:
                raise TooManyShopsError(f"{name} would have {len(mine)} users")
            data, kept = _shop(platform, name, mine, carried[shop])
            if split.newcomer_users and shop == split.shops - 1:
                data = replace(data, histories=_begun(data.histories, split.newcomer_events))
            platforms.append(data)
            persons[name] = federation.persons[platform.name][kept]
    return replace(federation, platforms=tuple(platforms), persons=persons)


def _used(users: int, wanted: int, random: np.random.Generator) -> Ints:
    if not wanted or wanted >= users:
        return np.arange(users)
    return np.sort(random.choice(users, wanted, replace=False))


def _customers(
    histories: Histories, carried: Bools, split: ShopSplit, random: np.random.Generator
) -> Ints:
    """(U,) shop of each user: users in random order choose among the shops that have room."""
    found = np.stack([_sums(shop[histories.items], histories.offsets) for shop in carried])
    wish = found + random.random(found.shape)  # ties are broken at random
    room = split.sizes(len(histories))
    shop_of = np.empty(len(histories), dtype=np.int64)
    for user in random.permutation(len(histories)):
        shop = int(np.argmax(np.where(room > 0, wish[:, user], -1.0)))
        shop_of[user] = shop
        room[shop] -= 1
    return shop_of


def _shop(
    platform: PlatformData, name: str, rows: Ints, carried: Bools
) -> tuple[PlatformData, Ints]:
    """A shop's data, and the rows of the source's users that bought something in it."""
    chosen = platform.histories.take(rows)
    there = carried[chosen.items]
    lengths = _sums(there, chosen.offsets)
    bought = lengths > 0
    number = np.cumsum(carried) - 1
    histories = Histories(
        users=tuple(u for u, b in zip(chosen.users, bought, strict=True) if b),
        offsets=np.concatenate([[0], np.cumsum(lengths[bought])]).astype(np.int64),
        items=number[chosen.items[there]].astype(np.int32),
        events=chosen.events[there],
        times=chosen.times[there],
        ordinal=chosen.ordinal,
    )
    catalogue = _part(platform.catalogue, np.flatnonzero(carried))
    return PlatformData(name=name, catalogue=catalogue, histories=histories), rows[bought]


def _begun(histories: Histories, events: int) -> Histories:
    return histories.first(np.full(len(histories), events, dtype=np.int64))


def _sums(flags: Bools, offsets: Ints) -> Ints:
    """Number of true flags in each range ``offsets[i]:offsets[i + 1]``, empty ranges included."""
    running = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(running[offsets[1:]] - running[offsets[:-1]], dtype=np.int64)


def _part(catalogue: Catalogue, items: Ints) -> Catalogue:
    def of(column: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(column[item] for item in items)

    return Catalogue(
        item_ids=of(catalogue.item_ids),
        titles=of(catalogue.titles),
        categories=of(catalogue.categories),
        descriptions=of(catalogue.descriptions),
    )
