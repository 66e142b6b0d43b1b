"""Formats that changed or came after the first version's files were written are read as well."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from server.checkpoint import Checkpoints
from shared.article_list import ArticleList
from shared.documents import DocumentError, check_signature, read_document
from shared.errors import ConfigError
from shared.optimiser import ServerState
from shared.release_card import ReleaseCard, model_digest, statistics_digest
from tests.formats.make import ARTICLES, COUNTING, PLAN
from tests.plans import KEY, identity, public

FOLDERS = sorted(p.parent for p in Path(__file__).parent.glob("*/checkpoints"))


@pytest.fixture(params=FOLDERS, ids=lambda p: p.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / "files"))


def test_there_are_files_since_the_first_version() -> None:
    assert [p.name for p in FOLDERS] == ["since-0.1.0"]


def test_a_release_card_of_the_second_version_is_read_with_its_signature(folder: Path) -> None:
    card = read_document(ReleaseCard, folder / "release-2.json")
    check_signature(card, public(KEY))
    assert (card.version, card.verified_sum, card.statistics) == (2, "ab" * 32, None)


def test_a_release_card_of_the_third_version_names_the_statistics(folder: Path) -> None:
    card = read_document(ReleaseCard, folder / "release-3.json")
    check_signature(card, public(KEY))
    counts = ServerState.start(COUNTING).counts
    assert (card.version, card.statistics) == (3, statistics_digest(COUNTING, counts))
    with pytest.raises(DocumentError):
        check_signature(card.model_copy(update={"statistics": "00" * 32}), public(KEY))


def test_a_release_card_of_the_second_version_carries_nothing_of_the_third(folder: Path) -> None:
    path = folder / "release-2.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "statistics": "00" * 32}))
    with pytest.raises(ConfigError, match="version 2 has no statistics"):
        read_document(ReleaseCard, path)


def test_a_list_of_articles_is_read_with_its_signature(folder: Path) -> None:
    found = read_document(ArticleList, folder / "articles-1.json")
    check_signature(found, public(identity(1)))
    assert found.articles() == ARTICLES


def test_a_signed_checkpoint_is_read(folder: Path) -> None:
    checkpoints = Checkpoints(folder / "checkpoints", PLAN.digest(), KEY)
    newest = checkpoints.newest()
    assert newest is not None
    assert newest[0] == 3
    assert model_digest(newest[1].model) == model_digest(ServerState.start(PLAN).model)
