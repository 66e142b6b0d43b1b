"""Formats that changed or came after the first version's files were written are read as well."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.checkpoint import Checkpoints
from shared.documents import check_signature, read_document
from shared.optimiser import ServerState
from shared.release_card import ReleaseCard, model_digest
from tests.formats.make import PLAN
from tests.plans import KEY, public

FOLDERS = sorted(p.parent for p in Path(__file__).parent.glob("*/checkpoints"))


@pytest.fixture(params=FOLDERS, ids=lambda p: p.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / "files"))


def test_there_are_files_since_the_first_version() -> None:
    assert [p.name for p in FOLDERS] == ["since-0.1.0"]


def test_a_release_card_of_the_second_version_is_read_with_its_signature(folder: Path) -> None:
    card = read_document(ReleaseCard, folder / "release.json")
    check_signature(card, public(KEY))
    assert (card.version, card.verified_sum) == (2, "ab" * 32)


def test_a_signed_checkpoint_is_read(folder: Path) -> None:
    checkpoints = Checkpoints(folder / "checkpoints", PLAN.digest(), KEY)
    newest = checkpoints.newest()
    assert newest is not None
    assert newest[0] == 3
    assert model_digest(newest[1].model) == model_digest(ServerState.start(PLAN).model)
