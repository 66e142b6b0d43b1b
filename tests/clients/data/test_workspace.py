"""The private database."""

from pathlib import Path

import duckdb
import pytest

from clients.data.errors import WorkspaceFullError
from clients.data.workspace import Limits, workspace


class StopError(Exception):
    pass


def look_and_fail(parent: Path) -> None:
    with workspace(Limits(folder=str(parent))):
        (folder,) = parent.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        raise StopError


def test_the_folder_is_private_and_vanishes_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        look_and_fail(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sql_can_reach_no_file_and_lift_no_limit(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with workspace(Limits()) as database:
        for statement in (
            f"FROM read_csv('{secret}')",
            f"COPY (FROM range(1)) TO '{tmp_path / 'out.csv'}'",
            "SET enable_external_access = true",
            "SET memory_limit = '10GB'",
        ):
            with pytest.raises(duckdb.Error):
                database.execute(statement)
    assert not (tmp_path / "out.csv").exists()


def test_running_out_of_memory_is_named() -> None:
    with (
        pytest.raises(WorkspaceFullError, match="50MB"),
        workspace(Limits(memory="50MB", threads=1)) as database,
    ):
        database.execute("SELECT list(range) FROM range(50000000)")
