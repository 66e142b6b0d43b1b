"""Parquet files and folders of them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from clients.data.errors import (
    MalformedSourceError,
    TruncatedSourceError,
    UnreadableSourceError,
)
from clients.data.parquet_source import ParquetSource


def save(path: Path, **columns: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)
    return path


def test_a_folder_is_read_in_order_of_names_with_running_row_numbers(tmp_path: Path) -> None:
    save(tmp_path / "b.parquet", u=["y", "z"])
    save(tmp_path / "a.parquet", u=["x"])
    source = ParquetSource(tmp_path)
    assert source.columns() == ["u"]
    batches = list(source.batches(["u"], lambda row: None))
    assert [row for batch in batches for row in batch.rows] == [1, 2, 3]
    assert [u for batch in batches for u in batch.data.column("u").to_pylist()] == ["x", "y", "z"]
    assert source.place(1) == (str(tmp_path / "a.parquet"), 1)
    assert source.place(3) == (str(tmp_path / "b.parquet"), 2)


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_truncated_file_is_named(tmp_path: Path, kept: int) -> None:
    path = save(tmp_path / "a.parquet", u=[str(n) for n in range(1000)])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TruncatedSourceError, match=r"a\.parquet"):
        ParquetSource(path).columns()


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", u=[f"user{n}" for n in range(1000)])
    content = bytearray(path.read_bytes())
    content[8:400] = bytes(392)
    path.write_bytes(content)
    source = ParquetSource(path)
    with pytest.raises(TruncatedSourceError, match=r"a\.parquet"):
        list(source.batches(source.columns(), lambda row: None))


def test_files_with_different_columns_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.parquet", u=["x"])
    save(tmp_path / "b.parquet", v=["x"])
    with pytest.raises(MalformedSourceError, match=r"differ from those of a\.parquet"):
        ParquetSource(tmp_path).columns()


def test_what_is_not_there_or_has_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    with pytest.raises(UnreadableSourceError, match="no such file"):
        ParquetSource(tmp_path / "absent.parquet")
    with pytest.raises(UnreadableSourceError, match="nobody reads this format"):
        ParquetSource(tmp_path / "x.xlsx")
    with pytest.raises(UnreadableSourceError):
        ParquetSource(tmp_path)
