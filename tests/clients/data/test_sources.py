"""Choosing a source, and insisting on its columns."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clients.data.csv_source import CsvSource
from clients.data.errors import MissingColumnError
from clients.data.parquet_source import ParquetSource
from clients.data.sources import MalformedRow, TableSource, open_source, require_columns
from tests.clients.data.test_parquet_source import save


def test_the_file_name_decides(tmp_path: Path) -> None:
    save(tmp_path / "a.parquet", u=["x"])
    assert isinstance(open_source(tmp_path / "a.parquet"), ParquetSource)
    assert isinstance(open_source(tmp_path), ParquetSource)
    assert isinstance(open_source(str(tmp_path / "x.csv.gz")), CsvSource)


def test_a_missing_column_is_named_with_what_there_is_and_the_nearest() -> None:
    source = TableSource("db", pa.table({"userid": ["x"], "sku": ["y"]}))
    with pytest.raises(MissingColumnError) as caught:
        require_columns(source, ["user_id", "sku"])
    assert "no column 'user_id' among 'userid', 'sku'" in str(caught.value)
    assert "'userid'" in caught.value.remedy


def test_a_table_keeps_given_row_numbers_over_chunks_and_reports_malformed_rows() -> None:
    table = pa.concat_tables([pa.table({"u": ["x"]}), pa.table({"u": ["y", "z"]})])
    torn = MalformedRow(4, 2, 1, "")
    source = TableSource("t", table, rows=np.array([3, 5, 8]), malformed=[torn])
    malformed: list[MalformedRow] = []
    batches = list(source.batches(["u"], malformed.append))
    assert [row for batch in batches for row in batch.rows] == [3, 5, 8]
    assert malformed == [torn]
