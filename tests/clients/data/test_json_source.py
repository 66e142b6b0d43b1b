"""JSON lines: a bad line costs one row, whatever its kind of badness."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.data.errors import MalformedSourceError, TruncatedSourceError, UnreadableSourceError
from clients.data.json_source import JsonLinesSource
from clients.data.sources import MalformedRow, open_source


def write(folder: Path, raw: bytes) -> JsonLinesSource:
    (folder / "log.jsonl").write_bytes(raw)
    return JsonLinesSource(folder / "log.jsonl")


def read(source: JsonLinesSource, *columns: str) -> tuple[list[list[object]], list[int]]:
    bad: list[MalformedRow] = []
    batches = source.batches(columns, bad.append)
    rows = [list(row.values()) for batch in batches for row in batch.data.to_pylist()]
    return rows, [row.row for row in bad]


def test_values_become_texts_and_absent_keys_nothing(tmp_path: Path) -> None:
    source = write(tmp_path, b'\xef\xbb\xbf{"a": 5.0, "b": ["x", 2]}\n\n{"a": "\xc3\xa4"}\n')
    assert source.columns() == ["a", "b"]
    assert read(source, "a", "b") == (
        [[b"5", b"x\x1f2"], ["ä".encode(), None]],
        [],
    )


@pytest.mark.parametrize(
    "line",
    [b"{bad", b"[1]", b"7", b'{"a": "\xff"}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["cut", "list", "number", "encoding", "depth", "giant number"],
)
def test_a_bad_line_is_one_malformed_row(tmp_path: Path, line: bytes) -> None:
    source = write(tmp_path, b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    assert read(source, "a") == ([[b"1"], [b"3"]], [2])


def test_a_file_without_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedSourceError):
        write(tmp_path, b"a,b\n1,2\n").columns()


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    lines = b"".join(json.dumps({"a": hash(n) ** 3}).encode() + b"\n" for n in range(20_000))
    packed = gzip.compress(lines)
    (tmp_path / "log.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    source = open_source(tmp_path / "log.jsonl.gz")
    assert isinstance(source, JsonLinesSource)
    with pytest.raises(TruncatedSourceError):
        read(source, "a")


def test_no_file_no_source(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError):
        JsonLinesSource(tmp_path / "none.jsonl").columns()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_every_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("json")
    lines = "".join(json.dumps({"a": text}) + "\n" for text in texts)
    rows, bad = read(write(folder, lines.encode()), "a")
    assert rows == [[text.encode()] for text in texts]
    assert bad == []
