"""Real data in the folder format, where it lies beside the repository."""

import json
from pathlib import Path

import pytest

from simulations.datasets.folder import load_folder

SETS = Path(__file__).parents[4] / "shared" / "data"
FOLDERS = sorted(path.parent for path in SETS.glob("*/stats.json"))

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not FOLDERS, reason="no public data sets beside the repository")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_set_loads_with_the_numbers_stated_beside_it(folder: Path) -> None:
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    data = load_folder(folder)
    assert {platform.name for platform in data.platforms} == set(stats["platforms"])
    for platform in data.platforms:
        stated = stats["platforms"][platform.name]
        assert len(platform.histories) == stated["users"]
        assert len(platform.histories.items) == stated["interactions"]
        assert len(platform.catalogue) == stated["catalogue"]
        assert not list(data.reports[platform.name].rejected())
