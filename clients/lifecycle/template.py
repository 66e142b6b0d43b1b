"""A commented `node.toml` out of the configuration classes: it cannot fall behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clients.node_config import NodeConfig

HEADER = """\
# A node of Isthmus. What is commented out is the default.
# ISTHMUS_NODE__SECTION__KEY in the environment wins over this file. Secrets never stand in it.
"""


def commented_toml(chosen: Mapping[str, Any]) -> str:
    """The whole configuration with its explanations.

    Parameters
    ----------
    chosen
        Values that differ from the defaults, nested as in the file.
    """
    return HEADER + "\n".join(_section(NodeConfig(), chosen, ())) + "\n"


def _section(model: BaseModel, chosen: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """First the section's own values, then the sections below it, as TOML wants it."""
    fields = type(model).model_fields
    nested = {name for name in fields if isinstance(getattr(model, name), BaseModel)}
    if path:
        yield f"\n[{'.'.join(path)}]"
    for name in fields:
        if name not in nested:
            yield from _comment(fields[name])
            yield _line(name, getattr(model, name), chosen)
    for name in fields:
        if name in nested:
            yield from _section(getattr(model, name), chosen.get(name, {}), (*path, name))


def _comment(field: FieldInfo) -> Iterator[str]:
    text = " ".join((field.description or "").split()).replace("`", "")
    return (f"# {line}" for line in wrap(text, 96))


def _line(name: str, default: Any, chosen: Mapping[str, Any]) -> str:
    if name in chosen:
        return f"{name} = {_value(chosen[name])}"
    return f"# {name} = {_value(default)}" if default is not None else f"# {name} ="


def _value(value: Any) -> str:
    """A TOML value; JSON's strings, numbers, booleans and lists are TOML's as well."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
