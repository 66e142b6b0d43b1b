"""The commands end with a message people can act on."""

import pytest
import typer

from shared.command_line import REFUSED, run_command
from shared.errors import ConfigError


def command_that(raised: BaseException | None) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def act() -> None:
        if raised is not None:
            raise raised

    return app


def ended(monkeypatch: pytest.MonkeyPatch, app: typer.Typer) -> object:
    monkeypatch.setattr("sys.argv", ["isthmus"])
    with pytest.raises(SystemExit) as caught:
        run_command(app)
    return caught.value.code


def test_a_known_error_is_told_in_one_message_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, command_that(ConfigError("rounds is [bold]0[/bold]"))) == REFUSED
    told = capsys.readouterr().err
    assert "rounds is [bold]0[/bold]" in told
    assert "Traceback" not in told


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["isthmus"])
    with pytest.raises(ZeroDivisionError):
        run_command(command_that(ZeroDivisionError()))


def test_ctrl_c_ends_with_the_code_of_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, command_that(KeyboardInterrupt())) == 130


def test_success_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, command_that(None)) == 0


def test_a_path_that_cannot_be_used_is_named_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = NotADirectoryError(20, "Not a directory", "bank.csv/lists.parquet")
    assert ended(monkeypatch, command_that(refused)) == REFUSED
    assert "[CFG-004] not a directory (bank.csv/lists.parquet)" in capsys.readouterr().err
