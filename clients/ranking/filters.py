"""Which items a list may hold: one gate for every way in which the node recommends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Int64s
from clients.ranking.config import RankingConfig
from clients.ranking.errors import UnknownAttributeError
from clients.ranking.facts import ItemFacts
from clients.ranking.reactions import removed_items
from clients.ranking.request import Filters, Situation

Mask = NDArray[np.bool_]


def eligible(
    facts: ItemFacts, situation: Situation, config: RankingConfig
) -> tuple[Mask, dict[str, int]]:
    """Apply every filter to the whole catalogue.

    Returns
    -------
    tuple
        (N,) which items may be shown, and how many each filter took that none before it took.

    Raises
    ------
    UnknownAttributeError
        A filter names a column that the items do not have.
    """
    kept, taken = np.ones(len(facts), dtype=np.bool_), {}
    for name, allowed in _rules(facts, situation, config):
        before = int(np.count_nonzero(kept))
        kept &= allowed
        if lost := before - int(np.count_nonzero(kept)):
            taken[name] = lost
    return kept, taken


def _rules(
    facts: ItemFacts, situation: Situation, config: RankingConfig
) -> Iterator[tuple[str, Mask]]:
    """Every filter that is in force, with the (N,) items that it allows."""
    filters = situation.filters
    if facts.suitability is not None:
        yield "suitability", suitable(facts, filters, config)
    if facts.requires is not None:
        yield "prerequisites", facts.requires.met(situation.completed)
    if facts.stock is not None:
        yield "stock", ~(facts.stock <= 0)
    if config.exclude_seen and not filters.include_seen and len(situation.seen):
        yield "seen", _all_but(situation.seen, len(facts))
    if len(removed := removed_items(situation.feedback, situation.now, config.feedback)):
        yield "disliked", _all_but(removed, len(facts))
    yield from _requested(facts, filters)


def _requested(facts: ItemFacts, filters: Filters) -> Iterator[tuple[str, Mask]]:
    if filters.only is not None:
        yield "only", ~_all_but(_known(filters.only, facts.index), len(facts))
    if filters.without:
        yield "without", _all_but(_known(filters.without, facts.index), len(facts))
    if filters.categories:
        yield "categories", facts.categories.having(filters.categories)
    if filters.without_categories:
        yield "without_categories", ~facts.categories.having(filters.without_categories)
    if filters.price_from is not None or filters.price_to is not None:
        yield "price", _priced(facts, filters)
    for name, values in filters.attributes.items():
        if name not in facts.attributes:
            raise UnknownAttributeError(
                f"items have no attribute {name!r}",
                where="filters.attributes",
                remedy=f"attributes are {', '.join(sorted(facts.attributes)) or 'none'}",
            )
        yield name, facts.attributes[name].having(values)


def suitable(facts: ItemFacts, filters: Filters, config: RankingConfig) -> Mask:
    """(N,) items not above the user's class; items without a class are not suitable."""
    if facts.suitability is None:
        return np.ones(len(facts), dtype=np.bool_)
    own = filters.suitability_class
    highest = config.suitability.default_class if own is None else own
    return np.asarray(facts.suitability <= highest)  # NaN compares false: fails closed


def _priced(facts: ItemFacts, filters: Filters) -> Mask:
    if facts.price is None:
        raise UnknownAttributeError("items have no price", where="filters.price_from, price_to")
    low = -np.inf if filters.price_from is None else filters.price_from
    high = np.inf if filters.price_to is None else filters.price_to
    return np.asarray((facts.price >= low) & (facts.price <= high))


def _all_but(items: Int64s, count: int) -> Mask:
    mask = np.ones(count, dtype=np.bool_)
    mask[items] = False
    return mask


def _known(ids: Sequence[str], index: Mapping[str, int]) -> Int64s:
    """Indices of those ids that the catalogue has."""
    return np.array([index[one] for one in ids if one in index], dtype=np.int64)
