"""Platforms from a folder with ``interactions.csv.gz`` and ``items.csv.gz``.

``interactions``: platform, user_id, item_id, timestamp, event; ``items``: platform, item_id and,
where they are known, title, categories and description. Further columns are ignored. Rows of equal
time keep their order in the file; a timestamp may also be the position in the user's history.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clients.data.csv_source import CsvSource
from clients.data.errors import UnreadableSourceError
from clients.data.ingest import DEFAULT_LIMITS
from clients.data.mapping import Rules
from clients.data.workspace import Limits
from shared.contract import CATEGORIES, DESCRIPTION, EVENT_COLUMNS, ITEM, TITLE
from simulations.datasets.federate import DEFAULT_RULES, federate
from simulations.datasets.federation import FederationData
from simulations.datasets.joint import JointTable, read_joint

EVENTS_FILE: Final = "interactions.csv"
ITEMS_FILE: Final = "items.csv"


def load_folder(
    folder: Path | str,
    *,
    seed: int = 0,
    rules: Rules = DEFAULT_RULES,
    limits: Limits = DEFAULT_LIMITS,
) -> FederationData:
    """Read every platform of a folder.

    Parameters
    ----------
    folder
        The folder; its files may be compressed with gzip or not.
    seed
        Seed of the pseudonym keys.
    rules, limits
        What is tolerated, and what of the machine is used.

    Raises
    ------
    UnreadableSourceError
        The folder has no ``interactions`` file.
    DataError
        A file cannot be used, or too much of a platform was rejected.
    """
    folder = Path(folder)
    events_path, items_path = _find(folder, EVENTS_FILE), _find(folder, ITEMS_FILE)
    if events_path is None:
        raise UnreadableSourceError(
            f"no {EVENTS_FILE}.gz in the folder",
            where=str(folder),
            remedy="give a folder with interactions.csv.gz and items.csv.gz",
        )
    events = read_joint(CsvSource(events_path), EVENT_COLUMNS)
    items = _items(items_path) if items_path else None
    return federate(
        folder.resolve().name,
        events,
        items,
        seed=seed,
        rules=rules,
        limits=limits,
        **_about(folder),
    )


def _items(path: Path) -> JointTable:
    return read_joint(CsvSource(path), [ITEM], [TITLE, CATEGORIES, DESCRIPTION])


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.gz", folder / name)
    return next((path for path in candidates if path.is_file()), None)


def _about(folder: Path) -> dict[str, str]:
    """Source and licence out of the folder's README, where it states them in paragraphs."""
    readme = folder / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    return {
        label.lower(): line.removeprefix(f"**{label}** ")
        for label in ("Source", "Licence")
        for line in lines
        if line.startswith(f"**{label}** ")
    }
