"""The newest version that both speak is used; with none in common, people are told who is older."""

from __future__ import annotations

import pytest

from shared.protocol import SPOKEN, ProtocolMismatchError, agree
from shared.wire import WIRE_VERSION


@pytest.mark.parametrize(
    ("theirs", "ours", "agreed"), [((1,), (1,), 1), ((1, 2), (1, 2, 3), 2), ((3, 2), (2, 3), 3)]
)
def test_the_newest_common_version_is_used(
    theirs: tuple[int, ...], ours: tuple[int, ...], agreed: int
) -> None:
    assert agree(theirs, who="x", ours=ours) == agreed


def test_an_older_side_is_refused_by_name() -> None:
    with pytest.raises(ProtocolMismatchError, match="'shop' speaks protocol 1, this release 2, 3"):
        agree((1,), who="partner 'shop'", ours=(2, 3))


def test_messages_are_of_the_newest_version() -> None:
    assert max(SPOKEN) == WIRE_VERSION
