"""Typed configuration that refuses what it does not know.

Every configuration class of Isthmus derives from `StrictModel`: frozen, unknown keys refused, each
field described. `parse` turns pydantic's errors into ours, naming the offending key and the nearest
known one.
"""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import (
    ConfigError,
    InvalidValueError,
    UnknownKeyError,
    UnreadableConfigError,
    in_words,
)


class StrictModel(BaseModel):
    """A frozen record in which unknown keys are errors and values are not silently converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Model = TypeVar("Model", bound=StrictModel)


def parse(model: type[Model], values: dict[str, Any], *, where: str) -> Model:
    """Validate `values` as `model`.

    Raises
    ------
    UnknownKeyError
        A key that `model` does not have.
    InvalidValueError
        A value of the wrong type or range, or a missing key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _translated(model, error, where) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file as plain values.

    Raises
    ------
    UnreadableConfigError
        The file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _unreadable(path, error) from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that people may edit, as plain values.

    Raises
    ------
    UnreadableConfigError
        The file is missing, not JSON, or no object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(values, dict):
        raise UnreadableConfigError("no JSON object", where=str(path))
    return values


def _unreadable(path: Path, error: OSError | ValueError) -> UnreadableConfigError:
    return UnreadableConfigError(in_words(error, str(error)), where=str(path))


def _translated(model: type[StrictModel], error: ValidationError, where: str) -> ConfigError:
    # A mistyped key is told before the key that is missing because of it.
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        near = get_close_matches(path[-1], known, n=1, cutoff=0.0)
        remedy = f"did you mean {near[0]!r}?" if near else "remove it"
        return UnknownKeyError(f"unknown key {key!r}", where=where, remedy=remedy)
    if first["type"] == "missing":
        return InvalidValueError(f"key {key!r} is missing", where=where, remedy=f"add {key}")
    said = first["msg"].removeprefix("Value error, ")  # pydantic's name for what validators raise
    return InvalidValueError(f"{key} = {first['input']!r}: {said}", where=where)


def _keys_at(model: type[StrictModel], path: list[str]) -> list[str]:
    """Names of the fields of the (nested) model that `path` leads to."""
    current = model
    for part in path:
        field = current.model_fields.get(part)
        nested = _nested_model(field.annotation) if field else None
        if nested is not None:
            current = nested
    return list(current.model_fields)


def _nested_model(annotation: Any) -> type[StrictModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _nested_model(a))), None)
