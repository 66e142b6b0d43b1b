"""A new node: private files, a node.toml that can be read back, nothing overwritten."""

import tomllib
from pathlib import Path

import pytest

from clients.home import NodeHome
from clients.lifecycle.creation import NodeExistsError, create_node
from clients.lifecycle.template import commented_toml
from clients.node_config import NodeConfig, read_node_config
from shared.config import parse
from shared.errors import InvalidValueError
from shared.keyfile import create_identity


def test_keys_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    home = NodeHome(tmp_path / "node")
    create_node(home, {"name": "shop"})
    found = {path.name: path.stat().st_mode & 0o777 for path in home.root.rglob("*")}
    assert found["identity.pem"] == found["pseudonym.key"] == found["node.toml"] == 0o600
    assert found["keys"] == found["store"] == 0o700


def test_the_file_says_what_was_chosen(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    chosen = {
        "name": 'a "shop"',
        "data": {"events": {"path": "e.csv", "event_names": {"in basket": "cart"}}},
    }
    made = create_node(home, chosen)
    assert read_node_config(home, {}) == made
    assert made.data.events.event_names == {"in basket": "cart"}


def test_every_default_that_is_commented_out_can_be_commented_in() -> None:
    text = commented_toml({})
    lines = [
        line.removeprefix("# ") if " = " in line and not line.endswith("=") else line
        for line in text.splitlines()
        if not line.startswith("# ") or " = " in line
    ]
    kept = [line for line in lines if not line.endswith(" =")]
    values = tomllib.loads("\n".join(line for line in kept if _assigns(line)))
    assert parse(NodeConfig, values, where="template") == NodeConfig()


def _assigns(line: str) -> bool:
    return line.startswith("[") or line.split(" = ")[0].isidentifier()


def test_a_node_is_never_overwritten(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    create_node(home, {})
    before = home.pseudonym_key.read_bytes()
    with pytest.raises(NodeExistsError):
        create_node(home, {"name": "other"})
    assert home.pseudonym_key.read_bytes() == before


def test_an_identity_from_an_earlier_join_stays(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    create_identity(home.identity)
    before = home.identity.read_bytes()
    create_node(home, {})
    assert home.identity.read_bytes() == before


def test_a_wrong_choice_leaves_nothing_behind(tmp_path: Path) -> None:
    home = NodeHome(tmp_path / "node")
    with pytest.raises(InvalidValueError):
        create_node(home, {"data": {"events": {"url": "sqlite:///a.db"}}})
    assert not home.root.exists()
