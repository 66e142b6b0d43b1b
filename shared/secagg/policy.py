"""What all partners of a session agree on before the first message.

`SessionPolicy` and `Session` hold only public parameters. Their digests enter every signature and
every derived key, so two nodes that were told different things cannot complete a round together.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.secagg.errors import PolicyError
from shared.secagg.fixed_point import RING_BITS, bound
from shared.secagg.hashing import digest
from shared.secagg.suites import Suite

MAX_PARTNERS: Final = 256
MAX_ID: Final = 0xFFFF
MAX_LENGTH: Final = 1 << 31
MAX_WORDS: Final = 256
MAX_ATTEMPTS: Final = 16
KEY_BYTES: Final = 32
NOISE_TAIL: Final = 12
"""Standard deviations of noise that a sum has room for; beyond lies less than 2^-100."""
DIGEST_BYTES: Final = 32
RUN_BYTES: Final = 16


def default_colluders(partners: int) -> int:
    """⌊(N - 1) / 3⌋: the bound of Bonawitz et al. (2017) against an active coordinator."""
    return (partners - 1) // 3


@dataclass(frozen=True, kw_only=True)
class SessionPolicy:
    """Who takes part, how many may collude, and how numbers are encoded.

    Attributes
    ----------
    partners
        Partner id (1 to 65535) to its pinned Ed25519 public key (32 bytes); N of them, at most 256.
    colluders
        c: how many partners may share everything with the coordinator.
    length
        d: coordinates of the masked vector.
    clip
        A: values are clipped to ±A before quantisation.
    min_survivors
        Floor on the partners in a sum, raised to ``max(t, c + 2, 3)`` (see `survivor_floor`).
    two_parties
        Allow N = 2, where the sum tells each partner the other's update.
    ring_bits
        32, or 16 where the quantisation step is at most a third of `noise_std`.
    noise_std
        Standard deviation of the noise each partner has added to each coordinate; 0 for none.
    word_limits
        One entry per 64-bit word beside the vector (weights, counts, metrics): its largest
        absolute value at one partner.
    tag_words
        Independent tags of the verified sum, 1 or 2; a forged sum passes with probability
        2^-(60 - k) for each (see `tags`).
    norm_bound
        L2 norm that one partner's clipped and noised update stays below; 0 switches the check off.
    audited
        Uploads carry a commitment that an auditor can have opened.
    groups
        Number of groups that are summed apart, for a trimmed mean; only one attempt a round then.
    share_noise
        Standard deviation of the discrete Gaussian noise that each partner adds to each coordinate
        *inside* the protocol (see `noise`); 0 for none. `noise_std` is what it added before.
    """

    partners: Mapping[int, bytes]
    colluders: int
    length: int
    clip: float
    min_survivors: int = 2
    two_parties: bool = False
    ring_bits: int = 32
    noise_std: float = 0.0
    word_limits: tuple[int, ...] = ()
    suite: Suite = Suite.X25519_AES256
    tag_words: int = 2
    norm_bound: float = 0.0
    audited: bool = False
    groups: int = 1
    share_noise: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "partners", dict(sorted(self.partners.items())))
        object.__setattr__(self, "word_limits", tuple(self.word_limits))
        _check_partners(self)
        _check_numbers(self)
        _check_thresholds(self)

    @property
    def ids(self) -> tuple[int, ...]:
        """Partner ids in ascending order; a set of partners is a bitmap over these places."""
        return tuple(self.partners)

    @property
    def threshold(self) -> int:
        """T = ⌊(N + c) / 2⌋ + 1: shares that open a secret and signatures that open a sum."""
        return self.threshold_of(len(self.partners))

    def threshold_of(self, size: int) -> int:
        """T of a group of `size` partners that is summed apart."""
        return (size + self.colluders) // 2 + 1

    def floor_of(self, size: int) -> int:
        """Survivor floor of a group of `size` partners."""
        least = 2 if self.two_parties else 3
        return max(self.threshold_of(size), self.colluders + 2, self.min_survivors, least)

    @property
    def survivor_floor(self) -> int:
        """Fewest partners in a sum: ``max(t, c + 2, min_survivors)``, at least 3 (2 if allowed)."""
        return self.floor_of(len(self.partners))

    @property
    def limit(self) -> int:
        """B: largest absolute integer of one coordinate of one partner.

        With `share_noise` there is room for twelve standard deviations of all partners' noise.
        """
        count = len(self.partners)
        room = NOISE_TAIL * math.sqrt(count) * self.share_noise / self.clip
        if not room:
            return bound(count, self.ring_bits)
        return int(bound(1, self.ring_bits) / (count + room))

    @property
    def step(self) -> float:
        """A / B: the size of one quantisation step."""
        return self.clip / self.limit

    @property
    def vector_bytes(self) -> int:
        """Bytes of one masked vector."""
        return self.length * self.ring_bits // 8

    def digest(self) -> bytes:
        """SHA-256 of the canonical encoding (32 bytes)."""
        keys = b"".join(struct.pack("<H", i) + key for i, key in self.partners.items())
        numbers = struct.pack(
            "<HHHBQBBBBBdddd",
            len(self.partners),
            self.colluders,
            self.min_survivors,
            self.two_parties,
            self.length,
            self.ring_bits,
            self.suite,
            self.tag_words,
            self.audited,
            self.groups,
            self.clip,
            self.noise_std,
            self.norm_bound,
            self.share_noise,
        )
        limits = struct.pack(f"<{len(self.word_limits)}Q", *self.word_limits)
        return digest("policy", numbers, keys, limits)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One attempt at one round.

    Attributes
    ----------
    run_id
        16 bytes, unique to a run.
    round, attempt
        Round of the run; attempts of a round count up from 0 and stop at 15.
    plan_hash, model_hash
        SHA-256 of the signed plan and of the global model that the update was trained from.
    """

    run_id: bytes
    round: int
    attempt: int
    plan_hash: bytes
    model_hash: bytes

    def __post_init__(self) -> None:
        if len(self.run_id) != RUN_BYTES:
            raise PolicyError(f"run_id has {len(self.run_id)} bytes, expected {RUN_BYTES}")
        if (len(self.plan_hash), len(self.model_hash)) != (DIGEST_BYTES, DIGEST_BYTES):
            raise PolicyError("plan_hash and model_hash must have 32 bytes each")
        if not 0 <= self.round < 1 << 32:
            raise PolicyError(f"round {self.round} is outside 0 to 2^32 - 1")
        if not 0 <= self.attempt < MAX_ATTEMPTS:
            raise PolicyError(f"attempt {self.attempt} is outside 0 to {MAX_ATTEMPTS - 1}")

    def lock_key(self) -> bytes:
        """20 bytes that name the round: one durable lock for all its attempts."""
        return self.run_id + struct.pack("<I", self.round)

    def context(self, policy: SessionPolicy) -> bytes:
        """What adverts are bound to: policy, run, round and attempt (32 bytes)."""
        attempt = struct.pack("<H", self.attempt)
        return digest("session", self.lock_key(), attempt, policy.digest())


def _check_partners(policy: SessionPolicy) -> None:
    count = len(policy.partners)
    if not 2 <= count <= MAX_PARTNERS:
        raise PolicyError(f"{count} partners; secure aggregation takes 2 to {MAX_PARTNERS}")
    if count == 2 and not policy.two_parties:
        raise PolicyError(
            "2 partners: each could subtract its own update from the sum",
            remedy="set two_parties only if local noise is protection enough for you",
        )
    if not all(0 < partner <= MAX_ID for partner in policy.partners):
        raise PolicyError(f"partner ids must be 1 to {MAX_ID}")
    if any(len(key) != KEY_BYTES for key in policy.partners.values()):
        raise PolicyError(f"partner keys must have {KEY_BYTES} bytes")
    if len(set(policy.partners.values())) != count:
        raise PolicyError("two partners with the same identity key")


def _check_numbers(policy: SessionPolicy) -> None:
    if policy.ring_bits not in RING_BITS:
        raise PolicyError(f"ring of {policy.ring_bits} bits, expected one of {RING_BITS}")
    if not 0 < policy.length <= MAX_LENGTH:
        raise PolicyError(f"length {policy.length} is outside 1 to {MAX_LENGTH}")
    if not (math.isfinite(policy.clip) and policy.clip > 0):
        raise PolicyError(f"clip {policy.clip} is not a positive finite number")
    if not all(math.isfinite(v) and v >= 0 for v in _levels(policy)):
        raise PolicyError("noise and norm bounds must be finite and not negative")
    if policy.limit < 1 or 0 < policy.share_noise < policy.step:
        raise PolicyError(f"noise of {policy.share_noise:.3g} leaves no usable step in this ring")
    if policy.ring_bits == 16 and policy.step > max(policy.noise_std, policy.share_noise) / 3:
        raise PolicyError(
            f"a 16-bit step of {policy.step:.3g} exceeds a third of noise {policy.noise_std:.3g}",
            remedy="use ring_bits=32",
        )
    _check_words(policy)


def _levels(policy: SessionPolicy) -> tuple[float, ...]:
    return policy.noise_std, policy.norm_bound, policy.share_noise


def _check_words(policy: SessionPolicy) -> None:
    largest = (1 << 62) // len(policy.partners)
    if len(policy.word_limits) > MAX_WORDS:
        raise PolicyError(f"{len(policy.word_limits)} words, at most {MAX_WORDS}")
    if not all(0 < limit <= largest for limit in policy.word_limits):
        raise PolicyError(f"word limits must be 1 to {largest}, so that no sum wraps")
    if policy.tag_words not in (1, 2):
        raise PolicyError(f"{policy.tag_words} tags, expected 1 or 2")


def _check_thresholds(policy: SessionPolicy) -> None:
    count = len(policy.partners)
    if policy.colluders < 0 or policy.survivor_floor > count:
        raise PolicyError(
            f"{count} partners cannot meet a floor of {policy.survivor_floor} survivors",
            remedy=f"lower colluders ({policy.colluders}) or min_survivors",
        )
    if policy.groups > 1 and policy.share_noise:
        raise PolicyError("distributed noise is accounted for one sum, not for groups")
    smallest = count // max(policy.groups, 1)
    if policy.groups < 1 or (policy.groups > 1 and policy.floor_of(smallest) > smallest):
        raise PolicyError(f"{policy.groups} groups of {count} partners are too small to sum apart")
