"""From joint tables to a federation: each platform goes through its own node's door."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clients.data.codes import normal_ids
from clients.data.columns import as_text
from clients.data.dataset import PlatformData
from clients.data.ingest import DEFAULT_LIMITS, ingest
from clients.data.mapping import EventMapping, ItemColumns, ItemMapping, Rules, SourceMapping
from clients.data.report import ValidationReport
from clients.data.workspace import Limits
from shared.contract import CATEGORIES, DESCRIPTION, ITEM, TITLE, USER
from simulations.datasets.federation import FederationData
from simulations.datasets.joint import JointTable
from simulations.datasets.keys import lab_key

DEFAULT_RULES: Final = Rules()


def federate(
    name: str,
    events: JointTable,
    items: JointTable | None,
    *,
    seed: int,
    rules: Rules = DEFAULT_RULES,
    limits: Limits = DEFAULT_LIMITS,
    source: str = "",
    licence: str = "",
) -> FederationData:
    """Ingest every platform of two joint tables whose columns have the contract's names.

    Parameters
    ----------
    name
        Name of the data set.
    events, items
        The tables; platforms are those of either.
    seed
        Seed of the pseudonym keys, one for each platform.
    rules, limits
        What is tolerated, and what of the machine is used.
    source, licence
        Where the data come from and on what terms.

    Raises
    ------
    RejectedDataError
        A platform has no events, or too much of it was rejected.
    """
    mapping = _mapping(items, rules)
    labels = list(dict.fromkeys(events.names() + (items.names() if items else [])))
    platforms: list[PlatformData] = []
    reports: dict[str, ValidationReport] = {}
    for label in labels:
        data, reports[label] = ingest(
            label,
            events=events.of(label),
            items=items.of(label) if items else None,
            key=lab_key(seed, label),
            mapping=mapping,
            limits=limits,
        )
        platforms.append(data)
    return FederationData(
        name=name,
        platforms=tuple(platforms),
        reports=reports,
        persons=_persons(events, platforms, seed),
        source=source,
        licence=licence,
    )


def _mapping(items: JointTable | None, rules: Rules) -> SourceMapping:
    present = items.table.column_names if items else []
    optional = {column: column if column in present else None for column in _TEXTS}
    columns = ItemColumns(
        item_id=ITEM,
        title=optional[TITLE],
        categories=optional[CATEGORIES],
        description=optional[DESCRIPTION],
    )
    return SourceMapping(events=EventMapping(), items=ItemMapping(columns=columns), rules=rules)


_TEXTS: Final = (TITLE, CATEGORIES, DESCRIPTION)


def _persons(
    events: JointTable, platforms: list[PlatformData], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Who is who, by recomputing every platform's pseudonyms from the raw ids."""
    users = events.table.column(USER).combine_chunks().dictionary_encode()
    texts, _ = as_text(users.dictionary)
    raw = normal_ids(pc.fill_null(texts, "")).to_pylist()
    number = {user: person for person, user in enumerate(dict.fromkeys(raw))}
    codes = users.indices
    return {
        data.name: _persons_of(
            data, raw, number, codes.filter(pc.equal(events.platforms, data.name)), seed
        )
        for data in platforms
    }


def _persons_of(
    data: PlatformData, raw: list[str], number: dict[str, int], codes: pa.Array, seed: int
) -> NDArray[np.int64]:
    key = lab_key(seed, data.name)
    mine = [raw[code] for code in codes.unique().drop_null().to_pylist()]
    digests = key.digests(user.encode() for user in mine)
    known = {digest.hex(): number[user] for digest, user in zip(digests, mine, strict=True)}
    return np.array([known[user] for user in data.histories.users], dtype=np.int64)
