"""One session of secure aggregation on one machine: the real parties, messages handed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.secagg import Aggregate, CollectingAdverts, Participant, Session, SessionPolicy
from shared.secagg.masks import Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedSum:
    """What the coordinator of a session gets to see.

    Attributes
    ----------
    uploads
        Partner id → (d,) masked ring elements, as they arrived.
    aggregate
        The opened sum, which every partner has verified.
    """

    uploads: Mapping[int, Ring]
    aggregate: Aggregate


def masked_sum(
    policy: SessionPolicy,
    session: Session,
    seats: Mapping[int, Participant],
    vectors: Mapping[int, NDArray[Any]],
) -> MaskedSum:
    """Take the session from adverts to a sum that every participant verifies.

    Parameters
    ----------
    seats, vectors
        Partner id → participant and its (d,) vector; the vectors are not changed.

    Raises
    ------
    shared.secagg.Refusal
        A party refuses; a sum out of bounds among others.
    """
    adverts = CollectingAdverts(policy, session)
    for number, seat in seats.items():
        adverts.receive(number, seat.advertise())
    (shares,), roster = adverts.close()
    for number, message in roster.items():
        shares.receive(number, seats[number].share(message))
    collecting, envelopes = shares.close()
    uploads: dict[int, Ring] = {}
    for number, message in envelopes.items():
        seats[number].accept(message)
        upload = seats[number].mask(vectors[number])
        uploads[number] = np.array(upload.vector)
        collecting.receive(number, upload.header, upload.vector)
    signatures, sets = collecting.close()
    for number, message in sets.items():
        signatures.receive(number, seats[number].sign_survivors(message))
    reveals, evidence = signatures.close()
    for number, message in evidence.items():
        reveals.receive(number, seats[number].unmask(message))
    aggregate, results = reveals.close()
    for number, message in results.items():
        seats[number].verify(message, aggregate.ring_sum)
    return MaskedSum(uploads=uploads, aggregate=aggregate)
