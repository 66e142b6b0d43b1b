"""Databases by URL: streamed, typed as text, from a watermark on, without passwords in sight."""

import sqlite3
from pathlib import Path

import pytest

from clients.data.config import Origin
from clients.data.errors import UnreadableSourceError
from clients.data.sql_source import PasswordError, SqlSource
from clients.home import NodeHome


def source(folder: Path, since: object = None, **origin: str) -> SqlSource:
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute('CREATE TABLE IF NOT EXISTS log (id, "user;id", price, day)')
        connection.execute("DELETE FROM log")
        connection.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?)",
            [(1, "ann", 5.0, "2024-01-01"), (2, None, 1.5, b"\xff"), (3, 7, 2, "x")],
        )
    connection.close()
    chosen = {"url": "sqlite:///shop.db", "table": "log"} | origin
    return SqlSource(NodeHome(folder), Origin.model_validate(chosen), since=since)


def read(from_source: SqlSource, *columns: str) -> list[list[object]]:
    batches = from_source.batches(columns, lambda row: None)
    return [list(row.values()) for batch in batches for row in batch.data.to_pylist()]


def test_cells_arrive_as_bytes_numbers_without_a_false_point(tmp_path: Path) -> None:
    found = read(source(tmp_path), "user;id", "price", "day")
    assert found == [
        [b"ann", b"5", b"2024-01-01"],
        [None, b"1.5", b"\xff"],
        [b"7", b"2", b"x"],
    ]


def test_columns_are_those_of_the_table_or_the_query(tmp_path: Path) -> None:
    assert source(tmp_path).columns() == ["id", "user;id", "price", "day"]
    query = source(tmp_path, table="", query="SELECT id AS number FROM log;")
    assert query.columns() == ["number"]
    assert read(query, "number") == [[b"1"], [b"2"], [b"3"]]


def test_a_later_pass_begins_at_the_watermark(tmp_path: Path) -> None:
    first = source(tmp_path, watermark="id")
    assert len(read(first, "price")) == 3
    assert first.watermark == {"value": 3}
    later = source(tmp_path, since=first.watermark, watermark="id")
    assert read(later, "id") == [[b"3"]]


def test_a_missing_table_is_named_without_the_database_s_own_words(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match="OperationalError"):
        source(tmp_path, table="lgo").columns()


def test_an_unknown_driver_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError):
        source(tmp_path, url="nosuch://host/shop")


def test_a_password_in_the_url_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(PasswordError) as caught:
        source(tmp_path, url="postgresql+psycopg://me:hunter2@host/shop")
    assert "hunter2" not in str(caught.value)


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    secret.chmod(0o644)
    url = "postgresql+psycopg://me@host/shop"
    with pytest.raises(PasswordError, match="chmod 600"):
        source(tmp_path, url=url, password_file="password")
    secret.chmod(0o600)
    assert "hunter2" not in source(tmp_path, url=url, password_file="password").name


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(PasswordError, match="ISTHMUS_NO_SUCH"):
        source(tmp_path, url="postgresql+psycopg://h/s", password_env="ISTHMUS_NO_SUCH")
