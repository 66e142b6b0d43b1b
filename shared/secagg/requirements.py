"""What a node itself demands of a policy, whatever the coordinator proposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.secagg.errors import (
    BelowFloorError,
    RefusedParameterError,
    UnpinnedPartnerError,
    VersionError,
)
from shared.secagg.policy import SessionPolicy
from shared.secagg.suites import Suite


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """A node's own floors and limits, from its operator's configuration.

    Attributes
    ----------
    pinned
        Partner id to Ed25519 public key, exchanged out of band.
    min_partners, min_colluders, min_survivors
        Least N, c and survivor floor that the node accepts.
    suites
        Cipher suites that the node accepts.
    max_length, max_clip, max_words
        Largest d, A and number of words.
    two_parties
        The node accepts a policy of two partners.
    """

    pinned: Mapping[int, bytes]
    min_partners: int = 3
    min_colluders: int = 0
    min_survivors: int = 3
    suites: frozenset[Suite] = frozenset(Suite)
    max_length: int = 100_000_000
    max_clip: float = 1_000.0
    max_words: int = 64
    two_parties: bool = False

    def check(self, policy: SessionPolicy) -> None:
        """Accept `policy` or say why not.

        Raises
        ------
        UnpinnedPartnerError, BelowFloorError, VersionError, RefusedParameterError
            The first rule that it breaks.
        """
        for partner, key in policy.partners.items():
            if self.pinned.get(partner) != key:
                raise UnpinnedPartnerError(
                    f"partner {partner} is not pinned with this key", partner=partner
                )
        self._check_floors(policy)
        if policy.suite not in self.suites:
            raise VersionError(f"cipher suite {Suite(policy.suite).name} is not accepted here")
        self._check_limits(policy)

    def _check_floors(self, policy: SessionPolicy) -> None:
        pair_accepted = self.two_parties and policy.two_parties and len(policy.partners) == 2
        if pair_accepted:
            return
        floors = (
            ("partners", len(policy.partners), self.min_partners),
            ("colluders", policy.colluders, self.min_colluders),
            ("survivors", policy.survivor_floor, self.min_survivors),
        )
        for name, offered, least in floors:
            if offered < least:
                raise BelowFloorError(f"a policy with {offered} {name}; this node demands {least}")

    def _check_limits(self, policy: SessionPolicy) -> None:
        limits = (
            ("length", policy.length, self.max_length),
            ("clip", policy.clip, self.max_clip),
            ("words", len(policy.word_limits), self.max_words),
        )
        for name, offered, most in limits:
            if offered > most:
                raise RefusedParameterError(f"a policy with {name} {offered}; at most {most} here")
