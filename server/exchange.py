"""One stage of a round: send to every node, collect replies until all are in or time is up.

Flower's own `send_and_receive` sleeps three seconds between polls and reports the SuperLink, not
the failed node, as the sender of an error; here replies are matched by `reply_to_message_id`, and a
node that stays silent is an event like any other (research: flwr 1.41, `superlink/grid/http_grid`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid

from shared.errors import FederationError
from shared.wire import Parcel

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class StageReplies:
    """What came back from one stage, by Flower node id."""

    parcels: dict[int, Parcel] = field(default_factory=dict)
    """Well-formed replies."""
    failures: dict[int, str] = field(default_factory=dict)
    """Error code of each node that refused, failed, sent garbage or stayed silent."""
    bytes_down: int = 0
    """Payload bytes sent to nodes."""
    bytes_up: int = 0
    """Payload bytes received from nodes."""


def exchange(
    grid: Grid, stage: str, parcels: Mapping[int, Parcel], *, group: str, deadline: float
) -> StageReplies:
    """Send `parcels` (by node id) as messages of type `stage` and collect the replies.

    Parameters
    ----------
    group
        Flower's group id; the round.
    deadline
        Seconds to wait for replies; also the messages' time to live.
    """
    sent = _send(grid, stage, parcels, group, deadline)
    result = StageReplies(bytes_down=sum(p.size for p in parcels.values()))
    up = 0
    end = time.monotonic() + deadline
    while sent:
        for message in grid.pull_messages(list(sent)):
            up += _sort(message, sent.pop(message.metadata.reply_to_message_id), result)
        if not sent or time.monotonic() >= end:
            break
        time.sleep(POLL_SECONDS)
    result.failures.update(dict.fromkeys(sent.values(), "silent"))
    return StageReplies(result.parcels, result.failures, result.bytes_down, up)


def _send(
    grid: Grid, stage: str, parcels: Mapping[int, Parcel], group: str, deadline: float
) -> dict[str, int]:
    messages = [
        Message(
            parcel.to_record(),
            dst_node_id=node,
            message_type=stage,
            group_id=group,
            ttl=deadline,
        )
        for node, parcel in parcels.items()
    ]
    return dict(zip(grid.push_messages(messages), parcels, strict=True))


def _sort(message: Message, node: int, result: StageReplies) -> int:
    """File one reply under `node`; returns its payload bytes."""
    if message.has_error():
        result.failures[node] = message.error.reason or f"flower-{message.error.code}"
        return 0
    try:
        parcel = Parcel.from_record(message.content)
    except FederationError as error:
        result.failures[node] = error.code
        return 0
    result.parcels[node] = parcel
    return parcel.size
