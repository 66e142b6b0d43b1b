"""Generated tables as a folder in the format that `simulations.datasets.folder` reads."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.csv as arrow_csv

from simulations.datasets.errors import FolderInUseError
from simulations.datasets.generated import LICENCE, SOURCE, Generated

README: Final = """# {name}

Generated platforms ({field}); settings in `settings.json`. Row order within (platform, user) is the
order of time.

**Source** {source}

**Licence** {licence}
"""


def write_folder(generated: Generated, folder: Path) -> None:
    """Write ``interactions.csv.gz``, ``items.csv.gz``, ``settings.json`` and ``README.md``.

    The folder appears at once and complete, or not at all.

    Raises
    ------
    FolderInUseError
        The folder exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FolderInUseError("the folder is not empty", where=str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        draft = Path(temporary) / "draft"
        draft.mkdir()
        _write(generated.events, draft / "interactions.csv.gz")
        _write(generated.items, draft / "items.csv.gz")
        settings = generated.settings
        (draft / "settings.json").write_text(
            json.dumps(settings.model_dump(), indent=2) + "\n", encoding="utf-8"
        )
        readme = README.format(
            name=folder.name, field=settings.field, source=SOURCE, licence=LICENCE
        )
        (draft / "README.md").write_text(readme, encoding="utf-8")
        os.replace(draft, folder)


def _write(table: pa.Table, path: Path) -> None:
    options = arrow_csv.WriteOptions(quoting_style="needed")
    # Without name and time in its header, equal tables give equal files.
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as stream,
    ):
        arrow_csv.write_csv(table, stream, write_options=options)
