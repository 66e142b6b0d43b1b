"""CSV files as they come."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.data.csv_source import CsvSource
from clients.data.errors import (
    MalformedSourceError,
    TruncatedSourceError,
    UnreadableSourceError,
    WrongEncodingError,
)
from clients.data.sources import MalformedRow
from tests.clients.data.tables import write

Found = list[tuple[int, tuple[bytes, ...]]]


def read(source: CsvSource, columns: list[str] | None = None) -> tuple[Found, list[MalformedRow]]:
    malformed: list[MalformedRow] = []
    found: Found = []
    for batch in source.batches(columns or source.columns(), malformed.append):
        cells = zip(*(column.to_pylist() for column in batch.data.columns), strict=True)
        found += zip(batch.rows.tolist(), cells, strict=True)
    return found, malformed


field = st.text(st.characters(codec="utf-8", exclude_characters='\n\r\0"'), max_size=5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), field, field), min_size=1, max_size=30))
def test_every_good_row_keeps_its_number_and_every_other_row_is_named(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[bool, str, str]]
) -> None:
    lines = [f'"{a}","{b}"' if good else f'"{a}","{b}",3' for good, a, b in rows]
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    found, malformed = read(CsvSource(write(path, "\n".join(["a,b", *lines, ""]))))
    expected = [(n, (a.encode(), b.encode())) for n, (good, a, b) in enumerate(rows, 1) if good]
    assert found == expected
    assert [row.row for row in malformed] == [n for n, row in enumerate(rows, 1) if not row[0]]


def test_numbers_hold_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.data.csv_source.BLOCK_BYTES", 4096)
    lines = [f"u{n},i" if n % 100 else "torn" for n in range(1, 5001)]
    found, malformed = read(CsvSource(write(tmp_path / "x.csv", "\n".join(["a,b", *lines]))))
    assert all(cells[0] == f"u{row}".encode() for row, cells in found)
    assert [row.row for row in malformed] == list(range(100, 5001, 100))


def test_compressed_files_and_foreign_delimiters_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv.gz", gzip.compress(b"a;b\n1;2\n"))
    assert read(CsvSource(path, delimiter=";"))[0] == [(1, (b"1", b"2"))]


def test_a_declared_encoding_is_converted(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "a,b\ncafé,2\n".encode("latin-1"))
    assert read(CsvSource(path, encoding="latin-1"))[0] == [(1, ("café".encode(), b"2"))]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert CsvSource(write(tmp_path / "x.csv", b"\xef\xbb\xbfa,b\n1,2\n")).columns() == ["a", "b"]


@pytest.mark.parametrize("cut", [20, 1000, 1, 8])
def test_a_truncated_gzip_file_is_named(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(5000)))
    path = write(tmp_path / "x.csv.gz", whole[:-cut])
    with pytest.raises(TruncatedSourceError, match=r"x\.csv\.gz"):
        read(CsvSource(path))


def test_a_gzip_file_with_a_wrong_checksum_is_named(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"a,b\n1,2\n"))
    whole[-6] ^= 1
    with pytest.raises(TruncatedSourceError):
        read(CsvSource(write(tmp_path / "x.csv.gz", bytes(whole))))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no header"),
        ("a,a\n1,2\n", "'a' twice"),
        ('a,b,c\n1,"2,3\n4,5,6\n7,8,9\n', "swallows"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', "swallows"),
    ],
)
def test_broken_structure_stops_instead_of_losing_rows(
    tmp_path: Path, text: str, word: str
) -> None:
    source = CsvSource(write(tmp_path / "x.csv", text))
    with pytest.raises(MalformedSourceError, match=word):
        read(source)


def test_quotes_inside_fields_and_fields_of_several_lines_are_no_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", 'a,b\n12" disc,2\n"two\nlines",4\n')
    assert [cells[0] for _, cells in read(CsvSource(path))[0]] == [b'12" disc', b"two\nlines"]


def test_wide_encodings_and_undecodable_headers_are_named(tmp_path: Path) -> None:
    with pytest.raises(WrongEncodingError, match="UTF-16"):
        CsvSource(write(tmp_path / "a.csv", "a,b\n1,2\n".encode("utf-16"))).columns()
    with pytest.raises(WrongEncodingError, match="not utf-8"):
        CsvSource(write(tmp_path / "b.csv", "é,b\n1,2\n".encode("latin-1"))).columns()
    with pytest.raises(WrongEncodingError, match="no encoding is called 'utf-9'"):
        CsvSource(tmp_path / "c.csv", encoding="utf-9")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match=r"absent\.csv"):
        CsvSource(tmp_path / "absent.csv").columns()


def test_errors_never_quote_a_line_which_may_hold_user_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", 'u,b,c\nalice@example.org,"2,3\n4,5,6\n7,8,9\n')
    with pytest.raises(MalformedSourceError) as caught:
        read(CsvSource(path))
    assert "alice" not in str(caught.value)
