"""init, doctor, ingest and forget as a partner calls them."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.cli import app
from clients.data.errors import TooManyRejectedError
from clients.home import NodeHome
from clients.node_config import read_node_config
from clients.serving.config import ServingConfig
from clients.serving.errors import AddressError, UnknownKeyNameError
from clients.serving.http.server import bound
from shared.errors import ConfigError, InvalidValueError
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
    assert "nothing was stored of this user" in call("forget", USERS[2], "--home", node)[1]
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


def test_doctor_tells_the_public_key_by_which_receipts_are_checked(node: str) -> None:
    call("ingest", "--home", node)
    _, said = call("forget", USERS[1], "--home", node, "--json")
    assert json.loads(said)["node"] in call("doctor", "--home", node)[1]


def test_the_keys_of_the_service_are_made_listed_and_revoked(node: str) -> None:
    home = ("--home", node)
    assert "keys add" in call("keys", "list", *home)[1]
    assert call("keys", "add", "website", *home)[1].startswith("isthmus_website_")
    with pytest.raises(UnknownKeyNameError, match="there is a key 'website'"):
        call("keys", "add", "website", *home)
    with pytest.raises(UnknownKeyNameError, match="lower case"):
        call("keys", "add", "My Site", *home)
    assert call("keys", "list", *home)[1].split()[:2] == ["website", "serve"]
    assert "website is refused" in call("keys", "revoke", "website", *home)[1]


def test_what_was_never_spent_is_not_missed(node: str) -> None:
    with pytest.raises(ConfigError, match="first private round"):
        call("privacy", "--home", node)


def test_an_address_at_which_the_service_cannot_listen_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"in use.*127.0.0.1:{port}"):
            bound(ServingConfig(port=port))
    with pytest.raises(AddressError, match="nowhere"):
        bound(ServingConfig(host="nowhere.invalid", port=0))


def test_a_port_that_is_none_is_refused_before_anything_is_read(node: str) -> None:
    with pytest.raises(InvalidValueError, match="port = 99999"):
        call("serve", "--home", node, "--port", "99999")
