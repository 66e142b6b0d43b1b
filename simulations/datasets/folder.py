"""Platforms from a folder with ``interactions.csv.gz`` and ``items.csv.gz``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from clients.data.dataset import Catalogue, Histories, PlatformData
from clients.data.report import ValidationReport
from shared.contract import EVENT_TYPES
from simulations.datasets.federation import FederationData

LARGEST_POSITION = 10**8


def load_folder(folder: Path | str, *, seed: int = 0) -> FederationData:
    """Read every platform in `folder`; pseudonyms are keyed by `seed` and platform."""
    folder = Path(folder)
    text = {"platform": str, "user_id": str, "item_id": str}
    events = pd.read_csv(folder / "interactions.csv.gz", dtype=text, keep_default_na=False)
    items = pd.read_csv(folder / "items.csv.gz", dtype=str, keep_default_na=False)
    return from_frames(folder.name, events, items, seed=seed)


def from_frames(
    name: str, events: pd.DataFrame, items: pd.DataFrame, *, seed: int, source: str = ""
) -> FederationData:
    """Platforms from two tables in the folder format."""
    people = pd.Index(events["user_id"].unique())
    platforms, persons, reports = [], {}, {}
    for label in dict.fromkeys(events["platform"]):
        mine = events[events["platform"] == label]
        data, raw = _platform(str(label), mine, items[items["platform"] == label], seed)
        platforms.append(data)
        persons[data.name] = people.get_indexer(raw).astype(np.int64)
        reports[data.name] = ValidationReport(
            platform=data.name, rows_read=len(mine), rows_kept=len(data.histories.items)
        )
    return FederationData(
        name=name, platforms=tuple(platforms), reports=reports, persons=persons, source=source
    )


def _platform(
    name: str, events: pd.DataFrame, items: pd.DataFrame, seed: int
) -> tuple[PlatformData, pd.Index[str]]:
    users = pd.Index(events["user_id"].unique())
    codes = users.get_indexer(pd.Index(events["user_id"]))
    times = events["timestamp"].to_numpy(np.float64)
    order = np.lexsort((times, codes))
    catalogue = _catalogue(items, events)
    index = pd.Index(catalogue.item_ids).get_indexer(pd.Index(events["item_id"]))
    kinds = events["event"].map({kind: i for i, kind in enumerate(EVENT_TYPES)}).to_numpy(np.int64)
    histories = Histories(
        users=tuple(_pseudonym(seed, name, user) for user in users),
        offsets=np.concatenate([[0], np.cumsum(np.bincount(codes))]).astype(np.int64),
        items=index[order].astype(np.int32),
        events=kinds[order].astype(np.int8),
        times=times[order],
        ordinal=bool(times.max() < LARGEST_POSITION),
    )
    return PlatformData(name=name, catalogue=catalogue, histories=histories), users


def _catalogue(items: pd.DataFrame, events: pd.DataFrame) -> Catalogue:
    known = items.drop_duplicates("item_id")
    extra = pd.Index(events["item_id"].unique()).difference(pd.Index(known["item_id"]), sort=False)
    blank = ("",) * len(extra)
    return Catalogue(
        item_ids=(*known["item_id"], *extra),
        titles=(*known["title"], *blank),
        categories=(*known["categories"], *blank),
        descriptions=("",) * (len(known) + len(extra)),
    )


def _pseudonym(seed: int, platform: str, user: str) -> str:
    key = hashlib.sha256(f"lab key {seed} {platform}".encode()).digest()
    return hashlib.blake2b(user.encode(), key=key, digest_size=16).hexdigest()
