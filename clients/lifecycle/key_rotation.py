"""A new pseudonym key: old and new pseudonyms are matched by reading the platform's events again.

A pseudonym cannot be turned into another one without the user id behind it, and the node keeps no
user ids. So the source is read once more, each id is given both pseudonyms in memory, live data
and opt-outs move from one to the other, and the snapshot is made anew. A user of whom the source
has no row any more cannot be matched: live data of such users are dropped, and an opt-out that
would be lost stops the rotation unless the caller says otherwise.

The order (next key on disk, snapshot, state, key) makes every interruption harmless: as long as
the next key's file exists the store refuses to be used, and the same command goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clients.data.codes import normal_ids
from clients.data.columns import as_text
from clients.data.node_ingest import NodeIngestion
from clients.data.pseudonyms import PseudonymKey
from clients.data.report import ValidationReport
from clients.data.sources import require_columns
from clients.data.store import NodeStore, next_key_file
from clients.home import NodeHome
from clients.node_config import NodeConfig
from shared.errors import DataError
from shared.files import sync_directory
from shared.progress import SILENT, Reporter, Step


class LostOptOutsError(DataError):
    """Opt-outs of users whom the source does not have any more would be lost with the old key."""

    code = "DATA-208"
    default_remedy = (
        "add these users to the source for this run, or give --drop-unmatched if they can never "
        "come back"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What became of the old pseudonyms.

    Attributes
    ----------
    users
        Users of the source, all of whom have new pseudonyms.
    moved
        Users of live data and of the opt-out list who were matched.
    dropped
        Those who were not; their live data are gone.
    report
        Of the ingestion with the new key.
    """

    users: int
    moved: int
    dropped: int
    report: ValidationReport


def rotate_key(
    home: NodeHome,
    store: NodeStore,
    config: NodeConfig,
    *,
    drop_unmatched: bool = False,
    progress: Reporter = SILENT,
) -> Rotation:
    """Change the pseudonym key of a node whose service is stopped.

    A service has the key in memory: it would go on to store live events, reactions and opt-outs
    under pseudonyms that nobody can match any more. Rounds of a federation read the store anew
    each time and are refused while the key changes, so the node may stay connected.

    Raises
    ------
    ServedError
        A service is running; nothing was changed.
    LostOptOutsError
        Nothing was changed.
    DataError
        Run it again.
    """
    with store.unserved(), store.changing():
        old, (new, fresh) = PseudonymKey.load(home.pseudonym_key), _next_key(home)
        ingestion = NodeIngestion.of(home, config.name, config.data, key=new)
        try:
            names = _names(ingestion, old, new, progress.step("users"))
            known, opted_out = store.state.users(), store.state.opted_out()
            lost = known - set(names) - set(names.values())
            if lost & opted_out and not drop_unmatched:
                raise LostOptOutsError(f"{len(lost & opted_out)} opt-outs match no user")
            now_out = [names.get(user, user) for user in sorted(opted_out)]
            report = ingestion.run_alone(store, progress, opted_out=now_out)
        except BaseException:
            if fresh:
                next_key_file(home).unlink(missing_ok=True)
            raise
        moved = {user: names[user] for user in known if user in names}
        store.state.rename(moved, drop=lost)
        next_key_file(home).replace(home.pseudonym_key)
        sync_directory(home.root)
    return Rotation(users=len(names), moved=len(moved), dropped=len(lost), report=report)


def _next_key(home: NodeHome) -> tuple[PseudonymKey, bool]:
    """The next key, and whether it was made just now."""
    path: Path = next_key_file(home)
    if path.exists():
        return PseudonymKey.load(path), False
    key = PseudonymKey.generate()
    key.save(path)
    return key, True


def _names(
    ingestion: NodeIngestion, old: PseudonymKey, new: PseudonymKey, step: Step
) -> dict[bytes, bytes]:
    """Old pseudonym → new one, of every user in the source."""
    source, column = ingestion.event_source(), ingestion.config.events.columns.user_id
    require_columns(source, [column])
    names: dict[bytes, bytes] = {}
    rows = 0
    for batch in source.batches([column], _ignored):
        texts, _ = as_text(batch.data.column(column))
        ids = pc.unique(normal_ids(pc.fill_null(texts, ""))).cast(pa.binary()).to_pylist()
        names.update(zip(old.digests(ids), new.digests(ids), strict=True))
        rows += len(batch.rows)
        step(rows, 0, "rows")
    step(rows, rows, "rows")
    return names


def _ignored(_: object) -> None:
    """The ingestion that follows counts malformed rows."""
