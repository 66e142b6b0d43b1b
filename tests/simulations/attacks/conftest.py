from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulations.attacks.world import World
from simulations.platforms import CACHE_VARIABLE
from tests.simulations.attacks.small import world


@pytest.fixture(scope="package")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("shops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(directory))
        yield world(directory)
