"""A second, slow implementation of the protocol, written from its description alone.

It imports nothing of ours, works on Python integers and lists, and covers the two suites without
ML-KEM. The test vectors are what both implementations must agree on, byte for byte.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

P = 2**255 - 19
NAME = b"isthmus-secagg/1"
ADVERT, SHARE, UPLOAD, SURVIVORS, REVEAL, SURVIVOR_SET, RESULT = 1, 2, 3, 4, 5, 16, 17


def h(label, *parts):
    joined = b"".join(struct.pack("<I", len(p)) + p for p in (label.encode(), *parts))
    return hashlib.sha256(joined).digest()


def kdf(secret, label, *info, n=32):
    """HKDF-SHA256 spelled out, for at most 64 bytes."""
    prk = hmac.digest(NAME, secret, "sha256")
    first = hmac.digest(prk, h(label, *info) + b"\1", "sha256")
    return (first + hmac.digest(prk, first + h(label, *info) + b"\2", "sha256"))[:n]


def stream(suite, key, n):
    if suite == 2:
        return Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(n))
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(n))


def mask_stream(suite, key, n):
    """As `stream`, with the counters of AES-GCM; vectors here are shorter than a segment."""
    if suite == 2:
        return stream(suite, key, n)
    first = bytes(15) + b"\2"
    return Cipher(algorithms.AES(key), modes.CTR(first)).encryptor().update(bytes(n))


def le(value, n):
    return value.to_bytes(n, "little")


def num(raw):
    return int.from_bytes(raw, "little")


class Rules:
    """The policy, from the JSON of a test vector."""

    def __init__(self, j):
        self.__dict__.update(j)
        self.keys = {int(i): bytes.fromhex(k) for i, k in j["partners"].items()}
        self.ids = sorted(self.keys)
        n = len(self.ids)
        self.t = (n + self.colluders) // 2 + 1
        self.bound = (2 ** (self.ring_bits - 1) - 1) // n
        self.moduli = [2**64] * (len(self.word_limits) + self.tag_words) + [2**128]

    def digest(self):
        counts = len(self.ids), self.colluders, self.min_survivors, self.two_parties, self.length
        choices = self.ring_bits, self.suite, self.tag_words, self.audited, self.groups
        reals = self.clip, self.noise_std, self.norm_bound, self.share_noise
        head = struct.pack("<HHHBQBBBBBdddd", *counts, *choices, *reals)
        keys = b"".join(le(i, 2) + self.keys[i] for i in self.ids)
        return h("policy", head, keys, b"".join(le(x, 8) for x in self.word_limits))

    def bits(self, members):
        return le(sum(1 << self.ids.index(m.me) for m in members), 32)


def refusal(rules, raw, kind, context, size):
    """Code with which a record (or, without sender and signature, a frame) is refused, or None."""
    signed = kind < SURVIVOR_SET
    if len(raw) < 38 or raw[:3] != b"ISA":
        return "SA-002"
    if raw[3:4] != b"2" or (raw[4] == kind and raw[5] != rules.suite):
        return "SA-003"
    if raw[4] != kind or len(raw) != 38 + size + 66 * signed:
        return "SA-002"
    if signed and num(raw[38:40]) not in rules.keys:
        return "SA-005"
    try:
        if signed:
            key = Ed25519PublicKey.from_public_bytes(rules.keys[num(raw[38:40])])
            key.verify(raw[-64:], NAME + raw[:-64])
    except InvalidSignature:
        return "SA-004"
    return None if raw[6:38] == context else "SA-010"


def tag(q, words, rho, rules):
    tags = []
    for n in range(rules.tag_words):
        blocks = -(-len(q) // 2**14)
        raw = stream(rules.suite, kdf(rho, "tag", le(n, 2)), 8 * (2**14 + blocks))
        c = [num(raw[i : i + 8]) for i in range(0, len(raw), 8)]
        tags.append(sum(c[2**14 + i // 2**14] * c[i % 2**14] * v for i, v in enumerate(q)) % 2**64)
    wide = sum(num(kdf(rho, "word-tag", le(i, 2), n=16)) * w for i, w in enumerate(words))
    return [w % 2**64 for w in words] + tags + [wide % 2**128]


def pack_words(block):
    return b"".join(le(w, 8) for w in block[:-1]) + le(block[-1], 16)


def unpack_words(raw):
    return [num(raw[i : i + 8]) for i in range(0, len(raw) - 16, 8)] + [num(raw[-16:])]


def pad(rules, rho, i):
    raw = kdf(rho, "pad", le(i, 2), n=8 * rules.tag_words + 16)
    return [0] * len(rules.word_limits) + unpack_words(raw)


def mask(rules, seed):
    """(vector words, word block) of a mask seed."""
    keys, size = kdf(seed, "streams", n=64), rules.ring_bits // 8
    raw = mask_stream(rules.suite, keys[:32], rules.length * size)
    vector = [num(raw[i : i + size]) for i in range(0, len(raw), size)]
    return vector, unpack_words(stream(rules.suite, keys[32:], 8 * len(rules.moduli) + 8))


def add(a, b, sign, mods):
    return [(x + sign * y) % m for x, y, m in zip(a, b, mods, strict=True)]


class Node:
    """One partner's secrets and messages."""

    def __init__(self, rules, place, me, seed, root):
        self.r, self.me, self.root = rules, me, root
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.binding = place["plan_hash"], place["model_hash"]
        head = place["run_id"] + le(place["round"], 4)
        self.ctx0 = h("session", head, le(place["attempt"], 2), rules.digest())
        self.ck = X25519PrivateKey.from_private_bytes(kdf(root, "channel-key", self.ctx0))
        self.zm = num(kdf(root, "mask-secret", self.ctx0, n=48)) % P
        self.mk = X25519PrivateKey.from_private_bytes(kdf(le(self.zm, 32), "mask-key"))

    def record(self, kind, payload, context=None):
        raw = b"ISA2" + bytes([kind, self.r.suite]) + (context or self.ctx) + le(self.me, 2)
        return raw + payload + self.key.sign(NAME + raw + payload)

    def advertise(self):
        public = [k.public_key().public_bytes_raw() for k in (self.ck, self.mk)]
        payload = b"".join((kdf(self.root, "nonce", self.ctx0, n=16), *self.binding, *public))
        return self.record(ADVERT, payload, self.ctx0)

    def join(self, adverts):
        cohort = h("cohort", self.ctx0, *self.binding, h("roster", *adverts))
        self.ctx = h("group", cohort, le(0, 2))
        self.zb = num(kdf(self.root, "self-secret", self.ctx, n=48)) % P
        self.part = kdf(self.root, "rho", self.ctx)
        self.shares = {"self": self.split("self", self.zb), "mask": self.split("mask", self.zm)}

    def split(self, label, secret):
        """Shamir shares for all partners."""
        key = kdf(self.root, "polynomial", label.encode(), self.ctx)
        raw = stream(2, key, 48 * (self.r.t - 1))
        co = [secret] + [num(raw[i : i + 48]) % P for i in range(0, len(raw), 48)]
        return {v: le(sum(a * v**i for i, a in enumerate(co)) % P, 32) for v in self.r.ids}

    def envelope(self, v):
        """For the node `v`."""
        c, who = self.ctx, le(self.me, 2) + le(v.me, 2)
        sb, sm = self.shares["self"][v.me], self.shares["mask"][v.me]
        public = le(v.me, 2) + h("self-secret", c, 2 * le(self.me, 2), le(self.zb, 32))
        public += h("self-share", c, who, sb) + h("mask-share", c, who, sm)
        aead = ChaCha20Poly1305(kdf(self.ck.exchange(v.ck.public_key()), "channel", c, who))
        sealed = aead.encrypt(bytes(12), sb + sm + self.part, c + le(self.me, 2) + public)
        return self.record(SHARE, public + sealed)

    def upload(self, x, words, sharers):
        """Header; integers and words before masking."""
        r, bound = self.r, self.r.bound
        rho = h("rho", self.ctx, *(le(u.me, 2) + u.part for u in sharers))
        q = [max(-bound, min(bound, round(v * (bound / r.clip)))) for v in x]
        clear = add(tag(q, words, rho, r), pad(r, rho, self.me), 1, r.moduli)
        y, block, ring = q, clear, [2**r.ring_bits] * r.length
        for v in sharers:
            if v is self:
                sign, seed = 1, kdf(le(self.zb, 32), "self", self.ctx)
            else:
                who = le(min(v.me, self.me), 2) + le(max(v.me, self.me), 2)
                agreed = self.mk.exchange(v.mk.public_key())
                sign, seed = (1 if v.me > self.me else -1), kdf(agreed, "pair", self.ctx, who)
            vector, narrow = mask(r, seed)
            y, block = add(y, vector, sign, ring), add(block, narrow, sign, r.moduli)
        raw = b"".join(le(v, r.ring_bits // 8) for v in y)
        digest = blake3(raw).digest()
        payload = r.bits(sharers) + digest + bytes(32) + pack_words(block)
        return self.record(UPLOAD, payload), q, clear


def run(case):
    """Play the session of a test vector; returns everything that its JSON records.

    The sum is that of the clear integers: that masks cancel is for the implementation to show.
    """
    rules = Rules(case["policy"])
    place = {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in case["session"].items()}
    seeds = {i: bytes.fromhex(case["seeds"][str(i)]) for i in rules.ids}
    nodes = [Node(rules, place, i, seeds[i], h("root", le(i, 2))) for i in rules.ids]
    adverts = [node.advertise() for node in nodes]
    for node in nodes:
        node.join(adverts)
    sharers = [n for n in nodes if n.me not in case["silent"]]
    survivors = [n for n in sharers if n.me not in case["dropped"]]
    total, block, headers = [0] * rules.length, [0] * len(rules.moduli), {}
    for n in survivors:
        x, words = case["updates"][str(n.me)], case["words"][str(n.me)]
        headers[str(n.me)], q, clear = n.upload(x, words, sharers)
        total = add(total, q, 1, [2**rules.ring_bits] * rules.length)
        block = add(block, clear, 1, rules.moduli)
    alive, shared = rules.bits(survivors), rules.bits(sharers)
    kinds = [(u, "self" if u in survivors else "mask") for u in sharers]
    reveals = {n: alive + b"".join(u.shares[kind][n.me] for u, kind in kinds) for n in survivors}
    envelopes = {n: b"".join(n.envelope(v) for v in nodes) for n in sharers}
    head = b"ISA2" + bytes([RESULT, rules.suite]) + survivors[0].ctx
    return {
        "policy_digest": rules.digest().hex(),
        "context": survivors[0].ctx.hex(),
        "adverts": [a.hex() for a in adverts],
        "envelopes": {str(n.me): hashlib.sha256(e).hexdigest() for n, e in envelopes.items()},
        "headers": {i: header.hex() for i, header in headers.items()},
        "signatures": {str(n.me): n.record(SURVIVORS, shared + alive).hex() for n in survivors},
        "reveals": {str(n.me): n.record(REVEAL, reveals[n]).hex() for n in survivors},
        "ring_sum": total,
        "result": (head + alive + pack_words(block)).hex(),
    }
