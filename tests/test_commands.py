"""Every command of the three programs: whole help, and a wrong place is named, not traced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from clients.cli import app as node_app
from clients.home import NodeHome, NoNodeError
from clients.lifecycle.creation import create_node
from clients.policy import NotJoinedError
from server.cli import app as coordinator_app
from server.enrolment import create_coordinator
from server.home import CoordinatorHome, NoCoordinatorError
from shared import __version__
from shared.errors import InvalidValueError, IsthmusError, UnreadableConfigError
from simulations.cli import app as lab_app

PROGRAMS = {"node": node_app, "coordinator": coordinator_app, "lab": lab_app}


def commands(app: typer.Typer) -> Iterator[tuple[str, click.Command]]:
    def under(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        if isinstance(command, click.Group):
            for name, sub in command.commands.items():
                yield from under(f"{path} {name}".strip(), sub)

    yield from under("", typer.main.get_command(app))


ALL = [(program, path) for program, app in PROGRAMS.items() for path, _ in commands(app)]


def call(app: typer.Typer, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, IsthmusError):
        raise result.exception
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(("program", "path"), ALL)
def test_the_help_of_a_command_describes_each_of_its_arguments_and_options(
    program: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    command = dict(commands(PROGRAMS[program]))[path]
    code, shown = call(PROGRAMS[program], *path.split(), "--help")
    assert code == 0
    for parameter in command.params:
        told = getattr(parameter, "help", None)
        assert told, f"{program} {path}: {parameter.name} is not described"
        assert " ".join(told.split()) in " ".join(shown.replace("│", " ").split())


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_which_release_it_is(program: str) -> None:
    assert call(PROGRAMS[program], "--version") == (0, f"isthmus {__version__}\n")


NODE_CALLS = [
    "doctor",
    "ingest",
    "forget u1",
    "rotate-key",
    "train --local",
    "evaluate",
    "recommend u1",
    "batch --out lists.parquet",
    "serve",
    "privacy",
    "receipts",
    "pin other " + 64 * "a",
    "join invitation.json --fingerprint 0A1B --declared-users 9",
    "join --renew",
    "start",
    "plan",
    "approve --by-policy",
    "metrics",
    "releases",
    "releases accept card.json",
    "releases rollback --reason why",
    "keys list",
    "keys add website",
    "keys revoke website",
    "articles key",
    "articles export list.json",
]
COORDINATOR_CALLS = [
    "invite action",
    "approve request.json",
    "revoke action",
    "articles",
    "articles list.json",
    "start",
    "start --plan plan.toml",
    "status",
    "rounds",
    "resume",
    "releases",
    "init --renew",
    "releases promote run",
    "releases withdraw run --reason why",
]


@pytest.mark.parametrize("line", NODE_CALLS)
def test_a_directory_that_is_no_node_is_named_and_left_alone(line: str, tmp_path: Path) -> None:
    with pytest.raises(NoNodeError, match="nowhere"):
        call(node_app, *line.split(), "--home", str(tmp_path / "nowhere"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", COORDINATOR_CALLS)
def test_a_directory_that_is_no_coordinator_is_named_and_left_alone(
    line: str, tmp_path: Path
) -> None:
    with pytest.raises(NoCoordinatorError, match="nowhere"):
        call(coordinator_app, *line.split(), "--home", str(tmp_path / "nowhere"))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def node(tmp_path: Path) -> NodeHome:
    home = NodeHome(tmp_path / "node")
    create_node(home, {"name": "shop"})
    return home


@pytest.mark.parametrize(
    "line", ["pin other " + 64 * "a", "approve --by-policy", "articles export list.json"]
)
def test_what_needs_a_federation_says_that_the_node_has_not_joined_one(
    node: NodeHome, line: str
) -> None:
    with pytest.raises(NotJoinedError, match="isthmus-node join"):
        call(node_app, *line.split(), "--home", str(node.root))


def test_a_policy_that_was_edited_wrongly_is_named_with_the_place(node: NodeHome) -> None:
    node.policy.write_text('{"coordinator": "a",}', encoding="utf-8")
    with pytest.raises(UnreadableConfigError, match="line 1"):
        call(node_app, "approve", "--by-hand", "--home", str(node.root))


def test_a_key_that_is_none_is_not_pinned(node: NodeHome) -> None:
    values = f'{{"coordinator": "{64 * "a"}", "partners": {{}}, "max_declared_users": 9}}'
    node.policy.write_text(values, encoding="utf-8")
    with pytest.raises(InvalidValueError, match=r"partners\.other = 'abc'"):
        call(node_app, "pin", "other", "abc", "--home", str(node.root))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--address", "nonsense"),
        ("--address", "fl.example.org:99999"),
        ("--link-port", "99999999"),
        ("--federation", ""),
    ],
)
def test_a_coordinator_is_not_made_with_settings_that_it_could_not_read(
    option: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValueError, match="options of init"):
        call(coordinator_app, "init", "--home", str(tmp_path / "new"), option, value)
    assert not list(tmp_path.iterdir())


def test_a_federation_may_have_any_name_and_a_partner_may_not(tmp_path: Path) -> None:
    home = CoordinatorHome(tmp_path / "new")
    create_coordinator(home, 'the "film" sites\\', "localhost:8443", 18000)
    code, said = call(coordinator_app, "status", "--home", str(home.root), "--json")
    assert code == 0
    assert '"federation": "the \\"film\\" sites' in said
    with pytest.raises(InvalidValueError, match="partner = 'X Y'"):
        call(coordinator_app, "invite", "X Y", "--home", str(home.root))
