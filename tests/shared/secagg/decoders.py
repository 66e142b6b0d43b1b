"""Every decoder that meets bytes from outside: shared by Hypothesis and the atheris target.

A decoder must end in a `Refusal` or in silence for whatever bytes it gets.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from shared.secagg import Participant, Refusal, Requirements, Suite
from shared.secagg.locks import RoundLock
from shared.secagg.snapshot import Snapshot
from tests.shared.secagg.grid import IDENTITIES, Grid, policy

Decoder = Callable[[bytes], Any]
ME = 4


def decoders(suite: Suite = Suite.X25519_AES256) -> dict[str, tuple[bytes, Decoder]]:
    """Name to (a valid message, a decoder that has not seen it yet)."""
    rules = policy(4, 2, word_limits=(9,), suite=suite)  # every partner needed: one valid message
    grid = Grid(rules)
    found: dict[str, tuple[bytes, Decoder]] = {
        "lock": (RoundLock(attempt=1, advert=bytes(32)).encode(), RoundLock.parse),
        "snapshot": (Snapshot(binding=bytes(32), root=bytes(32)).encode(), Snapshot.parse),
    }

    def twin() -> Participant:
        """The node as it is now, in a process of its own."""
        node = grid.nodes[ME]
        return Participant.resume(
            node.snapshot(),
            policy=rules,
            session=grid.place,
            identity=IDENTITIES[ME],
            requirements=Requirements(pinned=rules.partners),
            lock_store=deepcopy(node._locks),
        )

    def to_node(name: str, partner: int, message: bytes) -> bytes:
        if partner == ME and name != "advertise":
            node = twin()
            step = {"share": node.share, "mask": node.accept}
            step |= {"sign": node.sign_survivors, "unmask": node.unmask}
            found[f"node {name}"] = message, step[name]
        return message

    original = grid._receive

    def receive(partner: int, answer: Any, take: Any) -> None:
        if partner == ME:
            twin_of_stage = deepcopy(take.__self__)
            name = f"coordinator {type(twin_of_stage).__name__}"
            if isinstance(answer, tuple):
                header, vector = answer
                found[name] = header, lambda raw: twin_of_stage.receive(ME, raw, vector)
                found["coordinator complaint"] = header, lambda raw: twin_of_stage.complain(ME, raw)
            else:
                found[name] = answer, lambda raw: twin_of_stage.receive(ME, raw)
        original(partner, answer, take)

    grid.to_node, grid._receive = to_node, receive  # type: ignore[method-assign]
    aggregate = grid.run()
    last = twin()
    found["node result"] = (
        grid.results[ME],
        lambda raw: deepcopy(last._stage).verify(raw, aggregate.ring_sum),  # type: ignore[union-attr]
    )
    return found


def feed(decoder: Decoder, raw: bytes) -> str:
    """Code of the refusal, or an empty string if the bytes were accepted."""
    try:
        decoder(raw)
    except Refusal as refusal:
        return refusal.code
    return ""
