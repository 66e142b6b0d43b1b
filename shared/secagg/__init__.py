"""Secure aggregation: the coordinator learns the sum of the updates and nothing about any one.

The protocol is Bonawitz et al. (CCS 2017), the variant that holds against an active coordinator, on
the complete graph; ``docs/secure-aggregation.md`` describes it. Everything here is bytes in, bytes
or a named `Refusal` out; transport and storage are the caller's.

A complete round of three partners in memory::

    >>> import numpy as np
    >>> from shared.secagg import (
    ...     CollectingAdverts, Identity, MemoryLockStore, Participant, Requirements,
    ...     Session, SessionPolicy,
    ... )
    >>> identities = {i: Identity.generate(i) for i in (1, 2, 3)}
    >>> keys = {i: identity.public_bytes for i, identity in identities.items()}
    >>> policy = SessionPolicy(
    ...     partners=keys, colluders=1, length=4, clip=1.0, word_limits=(1_000,)
    ... )
    >>> session = Session(
    ...     run_id=bytes(16), round=0, attempt=0, plan_hash=bytes(32), model_hash=bytes(32)
    ... )
    >>> nodes = {
    ...     i: Participant(
    ...         policy=policy, session=session, identity=identities[i],
    ...         requirements=Requirements(pinned=keys), lock_store=MemoryLockStore(),
    ...     )
    ...     for i in keys
    ... }
    >>> adverts = CollectingAdverts(policy, session)
    >>> for i, node in nodes.items():
    ...     adverts.receive(i, node.advertise())
    >>> (shares,), roster = adverts.close()
    >>> for i in roster:
    ...     shares.receive(i, nodes[i].share(roster[i]))
    >>> uploads, envelopes = shares.close()
    >>> for i in envelopes:
    ...     nodes[i].accept(envelopes[i])
    ...     update = np.array([0.1, 0.2, -0.3, 0.0], np.float32) * i
    ...     upload = nodes[i].mask(update, (10 * i,))
    ...     uploads.receive(i, upload.header, upload.vector)
    >>> signatures, survivor_sets = uploads.close()
    >>> for i in survivor_sets:
    ...     signatures.receive(i, nodes[i].sign_survivors(survivor_sets[i]))
    >>> reveals, evidence = signatures.close()
    >>> for i in evidence:
    ...     reveals.receive(i, nodes[i].unmask(evidence[i]))
    >>> aggregate, results = reveals.close()
    >>> aggregate.sum().round(6).tolist(), aggregate.words, aggregate.survivors
    ([0.6, 1.2, -1.8, 0.0], (60,), (1, 2, 3))
    >>> nodes[1].verify(results[1], aggregate.ring_sum).words
    (60,)
"""

from shared.secagg.audit import AuditSecrets, Opening, check_opening
from shared.secagg.chunks import VectorBuffer, chunks
from shared.secagg.coordinator.agreeing import CollectingAdverts, CollectingShares
from shared.secagg.coordinator.opening import Aggregate, CollectingReveals, CollectingSignatures
from shared.secagg.coordinator.uploads import CollectingUploads
from shared.secagg.errors import BadDealerError, Refusal
from shared.secagg.groups import trimmed_mean
from shared.secagg.identity import Identity
from shared.secagg.locks import FileLockStore, LockStore, MemoryLockStore
from shared.secagg.node.agreeing import Advertising, Receiving, Sharing
from shared.secagg.node.masking import Masking
from shared.secagg.node.opening import Surviving, Unmasking, Verifying
from shared.secagg.node.seat import Seat, Upload, VerifiedSum
from shared.secagg.noise import released_sum
from shared.secagg.participant import Participant
from shared.secagg.policy import Session, SessionPolicy, default_colluders
from shared.secagg.requirements import Requirements
from shared.secagg.suites import Suite

__all__ = [
    "Advertising",
    "Aggregate",
    "AuditSecrets",
    "BadDealerError",
    "CollectingAdverts",
    "CollectingReveals",
    "CollectingShares",
    "CollectingSignatures",
    "CollectingUploads",
    "FileLockStore",
    "Identity",
    "LockStore",
    "Masking",
    "MemoryLockStore",
    "Opening",
    "Participant",
    "Receiving",
    "Refusal",
    "Requirements",
    "Seat",
    "Session",
    "SessionPolicy",
    "Sharing",
    "Suite",
    "Surviving",
    "Unmasking",
    "Upload",
    "VectorBuffer",
    "VerifiedSum",
    "Verifying",
    "check_opening",
    "chunks",
    "default_colluders",
    "released_sum",
    "trimmed_mean",
]
