"""Tables of several platforms."""

import pyarrow as pa

from clients.data.sources import MalformedRow, TableSource
from simulations.datasets.joint import read_joint


def test_each_platform_gets_its_rows_with_their_numbers() -> None:
    table = pa.table({"platform": ["a", " b", "a"], "item_id": ["x", "y", "z"], "other": [1, 2, 3]})
    joint = read_joint(TableSource("t", table), ["item_id"], ["title"])
    assert joint.names() == ["a", "b"]
    (batch,) = joint.of("a").batches(["item_id"], lambda row: None)
    assert batch.rows.tolist() == [1, 3]
    assert batch.data.column("item_id").to_pylist() == ["x", "z"]
    assert joint.table.column_names == ["item_id"]


def test_torn_rows_go_to_the_platform_they_name_or_to_the_largest() -> None:
    table = pa.table({"platform": ["a", "b", "b"], "item_id": ["x", "y", "z"]})
    torn = [
        MalformedRow(4, 2, 1, "a"),
        MalformedRow(5, 2, 3, "q,1,2"),
        MalformedRow(6, 2, 1, '"b"'),
    ]
    joint = read_joint(TableSource("t", table, malformed=torn), ["item_id"])
    assert {name: [row.row for row in rows] for name, rows in joint.malformed.items()} == {
        "a": [4],
        "b": [5, 6],
    }
