"""One federation over a real network for all tests that look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.world import World, federation


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A federation that has run its plan and is still up."""
    with federation(tmp_path_factory.mktemp("federation")) as found:
        yield found
