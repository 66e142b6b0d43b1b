"""Each field of use from nothing to a list, by the commands of examples/README.md."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

import examples
from clients.cli import app
from examples.generate import write_platform
from simulations.datasets.vocabulary import Field

FOLDER = Path(examples.__file__).parent
LIGHT = {
    "ISTHMUS_NODE__ENCODER__NAME": "hashed-words",
    "ISTHMUS_NODE__TRAINING__PERSONALISATION__MAX_STEPS": "10",
    "ISTHMUS_NODE__TRAINING__PERSONALISATION__CHECK_EVERY": "5",
}


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(params=get_args(Field))
def node(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    for name, value in LIGHT.items():
        monkeypatch.setenv(name, value)
    field: Field = request.param
    home = tmp_path / "node"
    write_platform(field, home, users=60, items=120)
    call("init", "--home", str(home), "--template", str(FOLDER / field / "node.toml"))
    return Node(field, home)


class Node:
    """One example's node."""

    def __init__(self, field: Field, home: Path) -> None:
        self.field, self.home = field, home

    def json(self, *arguments: str) -> Any:
        return json.loads(call(*arguments, "--home", str(self.home), "--json"))

    def rows(self, table: str) -> list[dict[str, str]]:
        with (self.home / f"{table}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def listed(self, filters: dict[str, Any] | None = None, k: int = 20) -> list[dict[str, str]]:
        """Rows of the item table for one user's list."""
        user = self.rows("events")[0]["user_id"]
        arguments = ("-k", str(k), "--filters", json.dumps(filters or {}))
        answer = self.json("recommend", user, *arguments)
        assert answer["fallback"] is None
        items = {row["item_id"]: row for row in self.rows("items")}
        return [items[place["item"]] for place in answer["items"]]


def test_from_generated_tables_to_a_list_that_keeps_the_field_s_rules(node: Node) -> None:
    assert node.json("ingest")["users"] == 60
    assert node.json("train", "--local")["parts"]
    assert node.json("evaluate")["users"] > 30
    shown = node.listed()
    assert shown
    RULES[node.field](node, shown)


def shop(node: Node, shown: list[dict[str, str]]) -> None:
    assert any(row["stock"] == "0" for row in node.rows("items"))
    assert all(int(row["stock"]) > 0 for row in shown)
    cheap = node.listed({"price_to": 25})
    assert cheap
    assert all(float(row["price"]) <= 25 for row in cheap)


def feed(node: Node, shown: list[dict[str, str]]) -> None:
    topics = [row["categories"].split(" | ")[0] for row in shown]
    assert max(topics.count(topic) for topic in topics) <= 3
    videos = node.listed({"attributes": {"format": ["video"]}})
    assert {row["format"] for row in videos} == {"video"}


def courses(node: Node, shown: list[dict[str, str]]) -> None:
    user = node.rows("events")[0]["user_id"]
    done = {
        row["item_id"]
        for row in node.rows("events")
        if (row["user_id"], row["event"]) == (user, "complete")
    }
    assert all(row["requires"] in {"", *done} for row in shown)


def bank(node: Node, shown: list[dict[str, str]]) -> None:
    assert {row["risk_class"] for row in shown} == {"1"}
    careful = node.listed({"suitability_class": 4})
    assert 1 < max(int(row["risk_class"]) for row in careful) <= 4


RULES = {"ecommerce": shop, "social": feed, "education": courses, "finance": bank}
