"""Which versions of the protocol this release speaks, and how two parties agree on one.

Invitation and join request list what either side speaks; both are signed, so nobody in between can
bring the two down to an older version. The highest common one is used. A partner that speaks none
of ours is refused when it joins, when a plan would include it, and, whatever the documents said, by
the version in every message.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final

from pydantic import Field

from shared.errors import FederationError

SPOKEN: Final = (2,)
"""Versions of the protocol, the newest last. Version 1 signed masked vectors by SHA-256."""

Protocols = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(min_length=1, max_length=64)
]


class ProtocolMismatchError(FederationError):
    """The two sides have no version of the protocol in common."""

    code = "FED-012"
    default_remedy = (
        "upgrade the older side; a partner that has upgraded says so by isthmus-node join --renew"
    )


def agree(theirs: Collection[int], *, who: str, ours: Collection[int] = SPOKEN) -> int:
    """The newest version that both sides speak.

    Parameters
    ----------
    who
        The other side, for the error.

    Raises
    ------
    ProtocolMismatchError
    """
    common = set(ours) & set(theirs)
    if not common:
        raise ProtocolMismatchError(
            f"{who} speaks protocol {_shown(theirs)}, this release {_shown(ours)}"
        )
    return max(common)


def _shown(versions: Collection[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
