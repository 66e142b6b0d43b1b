"""Folders in the common format, however uneven."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from clients.data.errors import (
    EmptyPlatformError,
    MalformedSourceError,
    MissingColumnError,
    TooManyRejectedError,
    UnreadableSourceError,
)
from clients.data.problems import Kind
from simulations.datasets.folder import load_folder
from simulations.datasets.keys import lab_key

EVENTS = """platform,user_id,item_id,timestamp,event,rating
north,ann,n2,0,review,5
south,ben,s1,1700000000,view,
north,ann,n1,1,review,4
north,cem,n1,0,review,3
south,ann,s2,1700000005,purchase,
north,cem,n9,1,review,1
"""
ITEMS = """platform,item_id,title,categories
south,s1,,
north,n1,One,A | B
north,n2,Two,
"""


def make(folder: Path, events: str = EVENTS, items: str | None = ITEMS) -> Path:
    (folder / "interactions.csv.gz").write_bytes(gzip.compress(events.encode()))
    if items is not None:
        (folder / "items.csv.gz").write_bytes(gzip.compress(items.encode()))
    return folder


def test_platforms_keep_the_order_of_the_file_their_items_and_their_own_time(
    tmp_path: Path,
) -> None:
    data = load_folder(make(tmp_path))
    assert data.name == tmp_path.name
    assert [platform.name for platform in data.platforms] == ["north", "south"]
    north, south = data.platforms
    assert north.catalogue.item_ids == ("n1", "n2", "n9")
    assert north.catalogue.texts() == ["One. A | B", "Two", ""]
    assert [north.catalogue.item_ids[i] for i in north.histories.items_of(0)] == ["n2", "n1"]
    assert (north.histories.ordinal, south.histories.ordinal) == (True, False)
    assert data.platform("south") is south


def test_persons_match_across_platforms_though_pseudonyms_do_not(tmp_path: Path) -> None:
    data = load_folder(make(tmp_path))
    north, south = (
        dict(zip(p.histories.users, data.persons[p.name], strict=True)) for p in data.platforms
    )
    ann_north, ann_south = (lab_key(0, name).pseudonym("ann") for name in ("north", "south"))
    assert ann_north != ann_south
    assert north[ann_north] == south[ann_south]
    assert len({*north.values(), *south.values()}) == 3


def test_reports_name_rows_of_the_joint_file(tmp_path: Path) -> None:
    torn = EVENTS + "south,ben,s1,1700000009,sneeze,\nsouth,torn\n"
    report = load_folder(make(tmp_path, torn)).reports["south"]
    assert [e.row for e in report.of(Kind.UNKNOWN_EVENT)[0].examples] == [7]
    assert [e.row for e in report.of(Kind.MALFORMED_ROW)[0].examples] == [8]
    assert report.events.rows_read == 4


def test_a_folder_may_lack_items_titles_and_categories(tmp_path: Path) -> None:
    data = load_folder(make(tmp_path, items=None))
    assert data.platform("south").catalogue.item_ids == ("s1", "s2")
    data = load_folder(make(tmp_path, items="platform,item_id\nnorth,n1\n"))
    assert data.platform("north").catalogue.titles == ("", "", "")


def test_very_unequal_platforms_are_judged_by_their_own_size(tmp_path: Path) -> None:
    big = "".join(f"big,u{n % 50},i{n % 40},{n},view,\n" for n in range(3000))
    small = "".join(f"small,v,j{n},{n},{'view' if n % 2 else 'sneeze'},\n" for n in range(40))
    with pytest.raises(TooManyRejectedError, match="20 of the events") as caught:
        load_folder(make(tmp_path, EVENTS.splitlines()[0] + "\n" + big + small, None))
    assert caught.value.report.platform == "small"


def test_a_platform_without_events_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmptyPlatformError, match="platform west"):
        load_folder(make(tmp_path, items=ITEMS + "west,w1,Title,\n"))


def test_unusable_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match=r"interactions\.csv"):
        load_folder(tmp_path)
    with pytest.raises(MissingColumnError, match="'platform'"):
        load_folder(make(tmp_path, EVENTS.replace("platform", "shop")))
    with pytest.raises(MalformedSourceError, match="row 2 names no platform"):
        load_folder(make(tmp_path, EVENTS.replace("south,ben", ",ben")))


def test_the_seed_changes_pseudonyms_and_nothing_else(tmp_path: Path) -> None:
    one, two = (load_folder(make(tmp_path), seed=seed) for seed in (1, 2))
    for left, right in zip(one.platforms, two.platforms, strict=True):
        assert left.catalogue == right.catalogue
        assert left.histories.items.tolist() == right.histories.items.tolist()
        assert not set(left.histories.users) & set(right.histories.users)
        assert np.array_equal(one.persons[left.name], two.persons[left.name])


def test_source_and_licence_come_from_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# x\n\n**Source** here.\n\n**Licence** free.\n")
    data = load_folder(make(tmp_path))
    assert (data.source, data.licence) == ("here.", "free.")
