"""The node against a real PostgreSQL of its own, in a temporary folder and on a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from clients.data.errors import UnreadableSourceError
from clients.data.store import NodeStore
from clients.home import NodeHome
from tests.clients.small_shop import ingest, rows, shop

pytestmark = pytest.mark.slow
SCHEMA = """
CREATE SCHEMA sales;
CREATE TABLE sales.log (
    id BIGSERIAL PRIMARY KEY, user_id TEXT, item_id TEXT, happened TIMESTAMPTZ, event TEXT
);
CREATE TABLE sales.goods (item_id TEXT, title TEXT, categories TEXT[], qty NUMERIC);
INSERT INTO sales.goods
SELECT 'i' || n, 'Ding — ' || n, ARRAY['A', 'B'], n FROM generate_series(0, 6) AS n;
CREATE ROLE reader LOGIN PASSWORD 'a very secret word';
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON sales.log, sales.goods TO reader;
"""


def _program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))


class Cluster:
    """A private cluster; the server refuses to run as root, so `nobody` runs it then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        if self._owner is not None:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)

    def start(self) -> None:
        data = str(self.folder / "data")
        self._run(
            "initdb", "-D", data, "-A", "scram-sha-256", "-U", "owner", "--pwfile", self._secret()
        )
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", data, "-o", options, "-l", f"{self.folder}/log", "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def sql(self, text: str) -> None:
        command = [str(_program("psql")), "-qX", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        subprocess.run(
            [*command, "-U", "owner", "postgres"],
            input=text.encode(),
            env=os.environ | {"PGPASSWORD": "owner's word"},
            check=True,
            capture_output=True,
        )

    def _secret(self) -> str:
        path = self.folder / "secret"
        path.write_text("owner's word\n")
        if self._owner is not None:
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        return str(path)

    def _run(self, program: str, *arguments: str) -> None:
        owner = (
            {} if self._owner is None else {"user": self._owner.pw_uid, "group": self._owner.pw_gid}
        )
        subprocess.run(
            [str(_program(program)), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **owner,  # type: ignore[call-overload]
        )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if not all(map(_program, ("initdb", "pg_ctl", "psql"))):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with TemporaryDirectory(prefix="isthmus-pg-", dir="/tmp") as folder:
        found = Cluster(Path(folder))
        found.start()
        try:
            found.sql(SCHEMA)
            yield found
        finally:
            found.stop()


def insert(cluster: Cluster, count: int, start: int = 0) -> None:
    values = ", ".join(
        f"('{row['user_id']}', '{row['item_id']}', to_timestamp({row['timestamp']}), 'view')"
        for row in rows(count, start)
    )
    head = "INSERT INTO sales.log (user_id, item_id, happened, event) VALUES "
    cluster.sql(head + values)


def node(folder: Path, cluster: Cluster) -> NodeHome:
    url = f"postgresql+psycopg://reader@/postgres?host={cluster.folder}"
    origin = {"url": url, "password_file": "password"}
    columns = {"columns": {"timestamp": "happened"}}
    home = shop(
        folder,
        events=origin | columns | {"table": "sales.log", "watermark": "id"},
        items=origin | {"query": "SELECT * FROM sales.goods;", "extra": {"stock": "qty"}},
    )
    (home.root / "password").write_text("a very secret word\n")
    (home.root / "password").chmod(0o600)
    return home


def test_events_and_items_of_postgresql_piece_by_piece(tmp_path: Path, cluster: Cluster) -> None:
    home = node(tmp_path, cluster)
    insert(cluster, 40)
    assert ingest(home).events.rows_kept == 40
    insert(cluster, 20, start=40)
    assert ingest(home).events.rows_read == 21
    catalogue, histories = NodeStore(home).load()
    other = shop(tmp_path / "other")
    ingest(other)
    _, same = NodeStore(other).load()
    assert catalogue.titles[3] == "Ding — 3"
    assert catalogue.categories[3] == "A | B"
    assert NodeStore(home).item_columns() == {"stock": [str(n) for n in range(7)]}
    assert histories.items.tolist() == same.items.tolist()
    assert histories.times.tolist() == same.times.tolist()


def test_a_wrong_password_is_an_error_that_does_not_show_it(
    tmp_path: Path, cluster: Cluster
) -> None:
    home = node(tmp_path, cluster)
    (home.root / "password").write_text("guess")
    with pytest.raises(UnreadableSourceError) as caught:
        ingest(home)
    assert "guess" not in str(caught.value)


def test_the_source_is_only_ever_read(tmp_path: Path, cluster: Cluster) -> None:
    home = node(tmp_path, cluster)
    cluster.sql(
        "GRANT INSERT ON sales.log TO reader; GRANT USAGE ON SEQUENCE sales.log_id_seq TO reader;"
    )
    text = (home.root / "node.toml").read_text()
    writing = "WITH w AS (INSERT INTO sales.log (user_id) VALUES ('x') RETURNING 1) SELECT * FROM w"
    (home.root / "node.toml").write_text(
        text.replace('query = "SELECT * FROM sales.goods;"', f'query = "{writing}"')
    )
    insert(cluster, 40)
    with pytest.raises(UnreadableSourceError):
        ingest(home)
