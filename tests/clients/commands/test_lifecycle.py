"""init, doctor, ingest and forget as a partner calls them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.cli import app
from clients.data.errors import TooManyRejectedError
from clients.home import NodeHome
from clients.node_config import read_node_config
from shared.errors import ConfigError
from tests.clients.small_shop import USERS, rows, write_events


def call(*arguments: str, stdin: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ISTHMUS_NODE__ENCODER__NAME", "hashed-words")
    write_events(tmp_path, rows())
    events, home = str(tmp_path / "events.jsonl"), str(tmp_path / "node")
    code, said = call("init", "--home", home, "--name", "shop", "--events", events, "--yes")
    assert code == 0
    assert "doctor" in said
    return home


def test_from_nothing_to_an_erased_user(node: str) -> None:
    code, said = call("doctor", "--home", node, "--json")
    assert code == 1
    assert {finding["check"] for finding in json.loads(said)} >= {"clock", "sources", "store"}
    code, said = call("ingest", "--home", node, "--json")
    assert code == 0
    assert json.loads(said)["users"] == 6
    assert call("doctor", "--home", node)[0] == 0
    page = (Path(node) / "reports" / "ingestion.html").read_text()
    assert page.startswith("<!doctype html>")
    code, said = call("forget", "--home", node, "--json", stdin=USERS[2] + "\n")
    assert code == 0
    assert json.loads(said)["removed"]["stored_events"] == 10
    assert USERS[2] not in said
    code, said = call("rotate-key", "--home", node)
    assert (code, said.split()[0]) == (0, "6")


def test_rejected_data_are_reported_all_the_same(node: str, tmp_path: Path) -> None:
    write_events(tmp_path, [row | {"event": "<script>"} for row in rows()])
    with pytest.raises(TooManyRejectedError):
        call("ingest", "--home", node)
    report = json.loads((Path(node) / "reports" / "ingestion.json").read_text())
    assert report["problems"][0]["kind"] == "unknown_event"
    assert "<script>" not in (Path(node) / "reports" / "ingestion.html").read_text()


def test_a_template_s_settings_are_taken_over_and_options_win(tmp_path: Path) -> None:
    template = tmp_path / "some.toml"
    template.write_text('name = "bank"\n[data.events]\npath = "e.csv"\ntime_unit = "seconds"\n')
    home = NodeHome(tmp_path / "node")
    arguments = ("--home", str(home.root), "--template", str(template))
    call("init", *arguments, "--name", "other", "--events", "sqlite:///x.db", "--events-table", "t")
    events = read_node_config(home, {}).data.events
    assert (events.time_unit, events.url, events.table) == ("seconds", "sqlite:///x.db", "t")


@pytest.mark.parametrize("text", ["{", "[]", '{"colour": 1}'])
def test_filters_that_are_none_are_refused(node: str, text: str) -> None:
    with pytest.raises(ConfigError):
        call("recommend", USERS[0], "--home", node, "--filters", text)
