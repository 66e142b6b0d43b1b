"""The same cleaning as a careful person writes it with pandas: all in memory, vectorised.

``factorised`` is the best that we know to do with it: ids are numbered first, so that cleaning and
sorting touch each distinct text once, as the node does it.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from shared.contract import EVENT_TYPES

_TYPES: Final = {name: code for code, name in enumerate(EVENT_TYPES)} | {"add to basket": 2}


def read(folder: Path) -> pd.DataFrame:
    """The events of whatever format is there."""
    if (folder / "events.csv").exists():
        return pd.read_csv(folder / "events.csv", dtype={"user_id": str}, keep_default_na=False)
    if (folder / "events.jsonl").exists():
        return pd.read_json(folder / "events.jsonl", lines=True, convert_dates=False)
    if (folder / "events.db").exists():
        with sqlite3.connect(folder / "events.db") as database:
            return pd.read_sql("SELECT user_id, item_id, timestamp, event FROM log", database)
    return pd.read_parquet(folder / "events")


def plain(folder: Path, key: bytes, now: float) -> int:
    """Read, pseudonymise, validate, deduplicate, order and number; returns the events kept."""
    events = read(folder)
    items = pd.read_parquet(folder / "items.parquet")
    events["row"] = np.arange(len(events))
    for column in ("user_id", "item_id"):
        events[column] = _clean(events[column])
    events = events[events["user_id"].str.len().between(1, 512)]
    events = events[events["item_id"].str.len().between(1, 512)]
    codes, names = pd.factorize(events["user_id"])
    events["user_id"] = pd.Series(_pseudonyms(names, key)).to_numpy()[codes]
    events["timestamp"] = events["timestamp"] / 1000.0
    events = events[(events["timestamp"] >= 0) & (events["timestamp"] <= now)]
    events["event"] = events["event"].str.strip().str.lower().map(_TYPES)
    events = events.dropna(subset=["event"])
    events = events.drop_duplicates(["user_id", "item_id", "timestamp", "event"], keep="first")
    items = items.drop_duplicates("item_id")
    events["user"] = pd.factorize(events["user_id"])[0].astype(np.int32)
    places = pd.Series(np.arange(len(items)), index=items["item_id"])
    events["item"] = events["item_id"].map(places).astype(np.int32)
    return _written(events, folder)


def factorised(folder: Path, key: bytes, now: float) -> int:
    """The same, on numbers from the beginning."""
    events = read(folder)
    items = pd.read_parquet(folder / "items.parquet").drop_duplicates("item_id")
    events["row"] = np.arange(len(events))
    places = pd.Series(np.arange(len(items)), index=items["item_id"])
    codes, names = pd.factorize(events["user_id"])
    clean = _clean(pd.Series(names))
    users = pd.factorize(np.where(clean.str.len().between(1, 512), _pseudonyms(clean, key), ""))
    empty = np.flatnonzero(users[1] == "")
    events["user"] = users[0].astype(np.int32)[codes]
    codes, names = pd.factorize(events["item_id"])
    events["item"] = (
        _clean(pd.Series(names)).map(places).fillna(-1).astype(np.int32).to_numpy()[codes]
    )
    codes, names = pd.factorize(events["event"])
    kinds = pd.Series(names).str.strip().str.lower().map(_TYPES).fillna(-1).astype(np.int8)
    events["event"] = kinds.to_numpy()[codes]
    events["timestamp"] = events["timestamp"] / 1000.0
    events = events[["user", "item", "event", "timestamp", "row"]]
    good = ~events["user"].isin(empty) & (events["item"] >= 0) & (events["event"] >= 0)
    events = events[good & events["timestamp"].between(0, now)]
    events = events.drop_duplicates(["user", "item", "timestamp", "event"], keep="first")
    return _written(events, folder)


def _clean(texts: pd.Series) -> pd.Series:
    return texts.str.normalize("NFC").str.strip()


def _pseudonyms(names: Iterable[str], key: bytes) -> list[str]:
    return [hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:32] for name in names]


def _written(events: pd.DataFrame, folder: Path) -> int:
    events = events.sort_values(["user", "timestamp", "row"], kind="stable")
    events[["user", "item", "event", "timestamp"]].to_parquet(folder / "pandas.parquet")
    return len(events)
