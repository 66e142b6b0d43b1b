"""node.toml: unknown keys are refused, the environment wins, sources are unambiguous."""

from pathlib import Path

import pytest

from clients.home import NodeHome, NoNodeError
from clients.node_config import OverrideError, overridden, read_node_config
from shared.errors import InvalidValueError, UnknownKeyError


def home(folder: Path, text: str) -> NodeHome:
    (folder / "node.toml").write_text(text)
    return NodeHome(folder)


def test_a_file_that_says_nothing_means_the_defaults(tmp_path: Path) -> None:
    config = read_node_config(home(tmp_path, ""), {})
    assert config.name == "node"
    assert not config.data.events.given


def test_origin_and_mapping_of_a_table_stand_in_one_section(tmp_path: Path) -> None:
    text = """
    [data.events]
    path = "log.csv"
    event_names = { "put in basket" = "cart" }
    [data.events.columns]
    user_id = "who"
    [data.items.extra]
    stock = "quantity"
    """
    mapping = read_node_config(home(tmp_path, text), {}).data.mapping()
    assert mapping.events.columns.user_id == "who"
    assert mapping.events.codes()["put in basket"] == mapping.events.codes()["cart"]
    assert mapping.items.extra == {"stock": "quantity"}


def test_a_misspelt_key_is_refused_and_the_right_one_proposed(tmp_path: Path) -> None:
    with pytest.raises(UnknownKeyError, match="retention_days"):
        read_node_config(home(tmp_path, "[data]\nretention_day = 3"), {})


def test_a_folder_without_the_file_is_no_node(tmp_path: Path) -> None:
    with pytest.raises(NoNodeError, match="init"):
        read_node_config(NodeHome(tmp_path), {})


@pytest.mark.parametrize(
    "section",
    [
        'path = "a.csv"\nurl = "sqlite:///a.db"\ntable = "t"',
        'url = "sqlite:///a.db"',
        'url = "sqlite:///a.db"\ntable = "t"\nquery = "SELECT 1"',
        'path = "a.csv"\nwatermark = "id"',
        'url = "sqlite:///a.db"\ntable = "t"\npassword_env = "A"\npassword_file = "b"',
    ],
    ids=["two origins", "no table", "table and query", "watermark of a file", "two passwords"],
)
def test_an_ambiguous_source_is_refused(tmp_path: Path, section: str) -> None:
    with pytest.raises(InvalidValueError):
        read_node_config(home(tmp_path, f"[data.events]\n{section}"), {})


def test_the_environment_wins_and_is_read_as_toml_or_text(tmp_path: Path) -> None:
    config = read_node_config(
        home(tmp_path, 'name = "a"\n[data]\nretention_days = 3.0'),
        {
            "ISTHMUS_NODE__NAME": "book shop",
            "ISTHMUS_NODE__DATA__RETENTION_DAYS": "30.5",
            "ISTHMUS_NODE__RANKING__EXCLUDE_SEEN": "false",
            "ISTHMUS_THREADS": "1",
        },
    )
    assert config.name == "book shop"
    assert config.data.retention_days == 30.5
    assert config.ranking.exclude_seen is False


def test_a_variable_that_leads_through_a_value_is_named() -> None:
    with pytest.raises(OverrideError, match="ISTHMUS_NODE__NAME__X"):
        overridden({"name": "a"}, {"ISTHMUS_NODE__NAME__X": "1"})
