"""Configuration: strict, and helpful when it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import field_validator

from shared.config import StrictModel, parse, read_toml
from shared.errors import InvalidValueError, UnknownKeyError, UnreadableConfigError


class Inner(StrictModel):
    rounds: int = 1


class Even(StrictModel):
    count: int

    @field_validator("count")
    @classmethod
    def _even(cls, count: int) -> int:
        if count % 2:
            raise ValueError("there must be pairs")
        return count


class Outer(StrictModel):
    inner: Inner = Inner()
    maybe: Inner | None = None
    name: str


def test_known_keys_are_taken() -> None:
    assert parse(Outer, {"name": "a", "inner": {"rounds": 3}}, where="x").inner.rounds == 3


@pytest.mark.parametrize("section", ["inner", "maybe"])
def test_an_unknown_nested_key_names_the_nearest_known_one(section: str) -> None:
    with pytest.raises(UnknownKeyError, match=f"{section}.round'.*did you mean 'rounds'"):
        parse(Outer, {"name": "a", section: {"round": 3}}, where="x")


def test_a_mistyped_key_is_told_before_the_key_that_is_missing_for_it() -> None:
    with pytest.raises(UnknownKeyError, match=r"'nam'.*did you mean 'name'"):
        parse(Outer, {"nam": "a"}, where="x")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InvalidValueError, match="'name' is missing"):
        parse(Outer, {}, where="x")


def test_a_wrong_value_is_shown() -> None:
    with pytest.raises(InvalidValueError, match=r"inner.rounds = 'many'"):
        parse(Outer, {"name": "a", "inner": {"rounds": "many"}}, where="x")


def test_what_a_validator_says_stands_alone() -> None:
    with pytest.raises(InvalidValueError, match=r"count = 3: there must be pairs \(x\)"):
        parse(Even, {"count": 3}, where="x")


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", None])
def test_a_file_that_is_not_toml_or_missing_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "node.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableConfigError, match=r"node\.toml"):
        read_toml(path)
