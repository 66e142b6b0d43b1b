"""What all stages of the coordinator share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.secagg.codec import Record, bitmap
from shared.secagg.cohort import Cohort
from shared.secagg.errors import OutOfTurnError, StageSpentError
from shared.secagg.masks import Ring
from shared.secagg.records import Envelope
from shared.secagg.words import WordBlock

Outgoing = dict[int, bytes]
"""Message for each partner."""


class Stage:
    """Keeps one message of each partner; a repeated one is ignored, a different one refused."""

    def __init__(self, expected: Sequence[int]) -> None:
        self._expected = tuple(expected)
        self._raw: dict[int, bytes] = {}
        self._spent = False

    @property
    def expected(self) -> tuple[int, ...]:
        """Partners whose message this stage waits for."""
        return self._expected

    @property
    def received(self) -> tuple[int, ...]:
        """Partners whose message was accepted."""
        return tuple(sorted(self._raw))

    def _is_repeat(self, partner: int, raw: bytes) -> bool:
        if self._spent:
            raise StageSpentError(f"{type(self).__name__} is closed", partner=partner)
        if partner not in self._expected:
            raise OutOfTurnError(f"partner {partner} is not expected here", partner=partner)
        if partner in self._raw and self._raw[partner] != raw:
            raise OutOfTurnError(f"partner {partner} sent a second message", partner=partner)
        return partner in self._raw

    def _check_open(self) -> None:
        if self._spent:
            raise StageSpentError(f"{type(self).__name__} is closed")

    def _spend(self) -> None:
        self._spent = True


@dataclass(frozen=True, slots=True)
class Dealt:
    """One dealer's envelopes by holder, as received, and its wrapped ML-KEM secrets."""

    records: Mapping[int, Record]
    envelopes: Mapping[int, Envelope]
    wrap: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """A masked sum on its way to being opened."""

    cohort: Cohort
    dealt: Mapping[int, Dealt]
    survivors: tuple[int, ...]
    ring_sum: Ring
    words: WordBlock

    @property
    def survivor_bits(self) -> bytes:
        """The survivors as a bitmap."""
        return bitmap(self.cohort.policy, self.survivors)

    @property
    def sharer_bits(self) -> bytes:
        """The sharers as a bitmap."""
        return bitmap(self.cohort.policy, self.dealt)


def check_sender(record: Record, partner: int) -> None:
    """Refuse a message that one partner delivers in another's name."""
    if record.sender != partner:
        raise OutOfTurnError(
            f"partner {partner} delivered a message of partner {record.sender}", partner=partner
        )
