"""Generated platforms hold what was planted, and can be written and read back."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from clients.data.dataset import PlatformData
from shared.contract import EVENT_TYPES
from shared.errors import InvalidValueError
from simulations.datasets.errors import FolderInUseError
from simulations.datasets.folder import load_folder
from simulations.datasets.folder_writer import write_folder
from simulations.datasets.generated import GeneratorSettings, generate, load_generated
from simulations.datasets.vocabulary import FIELDS, Field, vocabulary

SMALL = GeneratorSettings(users=(300, 200), items=(400, 300), events_per_user=15, overlap=0.4)


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_has_its_own_events_and_passes_validation(field: Field) -> None:
    settings = SMALL.model_copy(update={"field": field})
    data = load_generated(settings)
    words = vocabulary(field)
    for platform, users, items in zip(data.platforms, SMALL.users, SMALL.items, strict=True):
        assert (len(platform.histories), len(platform.catalogue)) == (users, items)
        types = {EVENT_TYPES[event] for event in platform.histories.events}
        assert types == set(words.events)
        assert platform.histories.lengths.min() >= 4
        assert data.reports[platform.name].problems == ()
        assert all(platform.catalogue.titles)
        assert all(platform.catalogue.descriptions)


def test_platforms_share_the_persons_that_the_overlap_says() -> None:
    first, second = load_generated(SMALL).persons.values()
    assert len(np.intersect1d(first, second)) == round(0.4 * 200)


def test_a_person_likes_the_same_topics_on_both_platforms() -> None:
    settings = SMALL.model_copy(update={"overlap": 1.0})
    data = load_generated(settings)
    topics = list(vocabulary("ecommerce").topics)
    shares = []
    for platform in data.platforms:
        of_item = np.array([topics.index(c.split(" | ")[0]) for c in platform.catalogue.categories])
        counts = np.zeros((data.persons[platform.name].max() + 1, len(topics)))
        people = np.repeat(data.persons[platform.name], platform.histories.lengths)
        np.add.at(counts, (people, of_item[platform.histories.items]), 1)
        shares.append(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    common = np.intersect1d(*data.persons.values())
    left, right = shares[0][common], shares[1][common]
    same = np.einsum("ut,ut->u", left, right).mean()
    others = np.einsum("ut,ut->u", left, np.roll(right, 1, axis=0)).mean()
    assert same > 1.5 * others


def test_texts_tell_the_planted_topic_across_platforms() -> None:
    generated = generate(SMALL)
    titles = generated.items.column("title").to_pylist()
    texts = [
        f"{t}. {d}" for t, d in zip(titles, generated.items["description"].to_pylist(), strict=True)
    ]
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    first = SMALL.items[0]
    nearest = np.asarray((vectors[:first] @ vectors[first:].T).todense()).argmax(axis=1)
    assert (generated.topics[:first] == generated.topics[first:][nearest]).mean() > 0.8


def hit_rates(platform: PlatformData) -> tuple[float, float]:
    """HR@10 of popularity, and of popularity within the category most often next."""
    train, target = platform.histories.without_last(1), platform.histories.last(1).items
    popularity = np.bincount(train.items, minlength=len(platform.catalogue))
    names, category = np.unique(platform.catalogue.categories, return_inverse=True)
    moves = np.zeros((len(names), len(names)))
    step = category[train.items]
    inner = np.ones(len(step), dtype=bool)
    inner[train.offsets[:-1]] = False
    np.add.at(moves, (step[:-1][inner[1:]], step[1:][inner[1:]]), 1)
    popular = np.argsort(-popularity)[:10]
    within = {
        c: [i for i in np.argsort(-popularity) if category[i] == c][:10] for c in range(len(names))
    }
    last = category[train.last(1).items]
    hits = [t in within[int(moves[c].argmax())] for t, c in zip(target, last, strict=True)]
    return float(np.isin(target, popular).mean()), float(np.mean(hits))


def test_the_order_of_events_predicts_more_than_popularity() -> None:
    settings = GeneratorSettings(users=(1500,), items=(500,), overlap=0.0)
    popular, ordered = hit_rates(load_generated(settings).platforms[0])
    assert ordered > 2 * popular


def test_the_same_settings_give_the_same_tables_and_another_seed_does_not() -> None:
    assert generate(SMALL).events == generate(SMALL).events
    other = generate(SMALL.model_copy(update={"seed": 1}))
    assert other.events != generate(SMALL).events


def test_a_written_folder_reads_back_the_same(tmp_path: Path) -> None:
    write_folder(generate(SMALL), tmp_path / "set")
    direct, read = load_generated(SMALL), load_folder(tmp_path / "set")
    assert read.licence == direct.licence
    for left, right in zip(direct.platforms, read.platforms, strict=True):
        assert left.catalogue == right.catalogue
        assert left.histories.users == right.histories.users
        assert left.histories.items.tolist() == right.histories.items.tolist()
        assert left.histories.times.tolist() == right.histories.times.tolist()
    write_folder(generate(SMALL), tmp_path / "again")
    for name in ("interactions.csv.gz", "items.csv.gz"):
        assert (tmp_path / "set" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_folder_in_use_is_not_overwritten_and_no_draft_remains(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(FolderInUseError):
        write_folder(generate(SMALL), folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "mine.txt"]


@pytest.mark.parametrize("items", [(1, 3), (20, 9)])
def test_tiny_catalogues_are_possible(items: tuple[int, int]) -> None:
    data = load_generated(SMALL.model_copy(update={"items": items}))
    assert [len(platform.catalogue) for platform in data.platforms] == list(items)


def test_platforms_need_a_name_and_both_sizes() -> None:
    for change in ({"items": (100,)}, {"users": (9,) * 7, "items": (9,) * 7}, {"users": ()}):
        with pytest.raises(InvalidValueError):
            generate(SMALL.model_copy(update=change))
