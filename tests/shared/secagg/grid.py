"""A whole session in memory, with taps where a test plays coordinator, partner or network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared.secagg import (
    Aggregate,
    BadDealerError,
    CollectingAdverts,
    Identity,
    MemoryLockStore,
    Participant,
    Refusal,
    Requirements,
    Session,
    SessionPolicy,
    Upload,
)

IDENTITIES = {i: Identity.generate(i) for i in range(1, 65)}
STAGES = ("advertise", "share", "mask", "sign", "unmask")


def keys(ids: Iterable[int]) -> dict[int, bytes]:
    return {i: IDENTITIES[i].public_bytes for i in ids}


def policy(n: int = 5, colluders: int = 1, length: int = 6, **options: Any) -> SessionPolicy:
    options.setdefault("clip", 1.0)
    return SessionPolicy(
        partners=keys(range(1, n + 1)), colluders=colluders, length=length, **options
    )


def session(**options: Any) -> Session:
    values: dict[str, Any] = {
        "run_id": b"r" * 16,
        "round": 1,
        "attempt": 0,
        "plan_hash": b"p" * 32,
        "model_hash": b"m" * 32,
    }
    return Session(**{**values, **options})


def participant(partner: int, rules: SessionPolicy, place: Session, **options: Any) -> Participant:
    values: dict[str, Any] = {
        "policy": rules,
        "session": place,
        "identity": IDENTITIES[partner],
        "requirements": Requirements(
            pinned=keys(rules.ids), two_parties=rules.two_parties, max_words=256
        ),
        "lock_store": MemoryLockStore(),
    }
    return Participant(**{**values, **options})


Tap = Callable[[str, int, Any], Any]


@dataclass
class Grid:
    """Nodes and coordinator of one session.

    `dropped` maps a partner to the first stage whose message it does not send. `to_node` and
    `to_server` may replace a message on its way (stage, partner, message); returning None loses it.
    """

    rules: SessionPolicy
    place: Session = field(default_factory=session)
    dropped: Mapping[int, str] = field(default_factory=dict)
    to_node: Tap = lambda _stage, _partner, message: message
    to_server: Tap = lambda _stage, _partner, message: message
    nodes: dict[int, Participant] = field(default_factory=dict)
    updates: dict[int, np.ndarray] = field(default_factory=dict)
    words: dict[int, tuple[int, ...]] = field(default_factory=dict)
    noise_key: bytes | None = None
    refused: dict[int, Refusal] = field(default_factory=dict)
    """Refusals by node."""
    blamed: dict[int, Refusal] = field(default_factory=dict)
    """Refusals by the coordinator, by the partner whose message it was."""
    sent: list[tuple[str, int, Any]] = field(default_factory=list)
    """Everything that nodes have sent."""

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        for i in self.rules.ids:
            if i not in self.nodes:
                self.nodes[i] = participant(i, self.rules, self.place)
            if i not in self.updates:
                self.updates[i] = rng.uniform(-1, 1, self.rules.length).astype(np.float32)
            if i not in self.words:
                self.words[i] = tuple(limit // (i + 1) for limit in self.rules.word_limits)

    def run(self) -> Aggregate:
        """Every stage in order; raises what the coordinator's `close` raises."""
        adverts = CollectingAdverts(self.rules, self.place)
        start = dict.fromkeys(self.rules.ids, b"")
        self._stage("advertise", start, adverts, lambda node, _: node.advertise())
        (shares,), roster = adverts.close()
        self._stage("share", roster, shares, lambda node, message: node.share(message))
        uploads, envelopes = shares.close()
        self._masks(envelopes, uploads)
        signatures, sets = uploads.close()
        self._stage("sign", sets, signatures, lambda node, m: node.sign_survivors(m))
        reveals, evidence = signatures.close()
        self._stage("unmask", evidence, reveals, lambda node, m: node.unmask(m))
        aggregate, self.results = reveals.close()
        return aggregate

    def exact(self, survivors: Iterable[int]) -> list[int]:
        """The integer sum that the ring must hold."""
        scale = self.rules.limit / self.rules.clip
        total = np.zeros(self.rules.length, np.int64)
        for i in survivors:
            steps = np.rint(self.updates[i].astype(np.float64) * scale)
            total += np.clip(steps, -self.rules.limit, self.rules.limit).astype(np.int64)
        return total.tolist()

    def active(self, partner: int, stage: str) -> bool:
        last = self.dropped.get(partner)
        return last is None or STAGES.index(stage) < STAGES.index(last)

    def _stage(
        self,
        name: str,
        incoming: Mapping[int, bytes],
        collecting: Any,
        act: Callable[[Participant, bytes], bytes],
    ) -> None:
        for i, message in incoming.items():
            if self.active(i, name) and i not in self.refused:
                delivered = self.to_node(name, i, message)
                if delivered is not None:
                    self._deliver(
                        name, i, lambda i=i, m=delivered: act(self.nodes[i], m), collecting
                    )

    def _deliver(self, name: str, i: int, act: Callable[[], bytes], collecting: Any) -> None:
        try:
            answer = act()
        except Refusal as refusal:
            self.refused[i] = refusal
            return
        self.sent.append((name, i, answer))
        self._receive(i, self.to_server(name, i, answer), collecting.receive)

    def _receive(self, i: int, answer: Any, receive: Callable[..., None]) -> None:
        if answer is None:
            return
        try:
            receive(i, *answer) if isinstance(answer, tuple) else receive(i, answer)
        except Refusal as refusal:
            self.blamed[i] = refusal

    def _masks(self, envelopes: Mapping[int, bytes], uploads: Any) -> None:
        for i, message in envelopes.items():
            delivered = self.to_node("mask", i, message)
            if not self.active(i, "mask") or i in self.refused or delivered is None:
                continue
            try:
                self.nodes[i].accept(delivered)
                upload = self.nodes[i].mask(
                    self.updates[i], self.words[i], noise_key=self.noise_key
                )
            except BadDealerError as refusal:
                self.refused[i] = refusal
                self._receive(i, refusal.complaint, uploads.complain)
                continue
            except Refusal as refusal:
                self.refused[i] = refusal
                continue
            self.sent.append(("mask", i, upload))
            answer = self.to_server("mask", i, upload)
            if isinstance(answer, Upload):
                self._receive(i, (answer.header, answer.vector), uploads.receive)
