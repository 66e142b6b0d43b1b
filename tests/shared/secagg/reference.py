"""A second, slow implementation of the protocol, written from its description alone.

It imports nothing of ours, works on Python integers and lists, and covers the two suites without
ML-KEM. The test vectors are what both implementations must agree on, byte for byte.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

P = 2**255 - 19
NAME = b"isthmus-secagg/1"
ADVERT, SHARE, UPLOAD, SURVIVORS, REVEAL, SURVIVOR_SET, RESULT = 1, 2, 3, 4, 5, 16, 17


def h(label, *parts):
    joined = b"".join(struct.pack("<I", len(p)) + p for p in (label.encode(), *parts))
    return hashlib.sha256(joined).digest()


def kdf(secret, label, *info, n=32):
    """HKDF-SHA256 spelled out."""
    prk = hmac.new(NAME, secret, hashlib.sha256).digest()
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + h(label, *info) + bytes([i]), hashlib.sha256).digest()
        out, i = out + block, i + 1
    return out[:n]


def stream(suite, key, n):
    if suite == 2:
        return Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(n))
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(n))


def le(value, n):
    return value.to_bytes(n, "little")


def num(raw):
    return int.from_bytes(raw, "little")


def ids2(a, b):
    return le(a, 2) + le(b, 2)


class Rules:
    """The policy, from the JSON of a test vector."""

    def __init__(self, j):
        self.__dict__.update(j)
        self.keys = {int(i): bytes.fromhex(k) for i, k in j["partners"].items()}
        self.ids = sorted(self.keys)
        n = len(self.ids)
        self.t = (n + self.colluders) // 2 + 1
        least = 2 if self.two_parties else 3
        self.floor = max(self.t, self.colluders + 2, self.min_survivors, least)
        self.bound = (2 ** (self.ring_bits - 1) - 1) // n
        self.words = 8 * (len(self.word_limits) + self.tag_words) + 16

    def digest(self):
        head = struct.pack(
            "<HHHBQBBBBBdddd",
            *(len(self.ids), self.colluders, self.min_survivors, self.two_parties, self.length),
            *(self.ring_bits, self.suite, self.tag_words, self.audited, self.groups),
            *(self.clip, self.noise_std, self.norm_bound, self.share_noise),
        )
        keys = b"".join(le(i, 2) + self.keys[i] for i in self.ids)
        return h("policy", head, keys, b"".join(le(x, 8) for x in self.word_limits))

    def bits(self, members):
        return le(sum(1 << self.ids.index(m) for m in members), 32)


def record(rules, kind, context, sender, key, payload):
    raw = b"ISA1" + bytes([kind, rules.suite]) + context + le(sender, 2) + payload
    return raw + key.sign(NAME + raw)


def refusal(rules, raw, kind, context, size):
    """Code with which a record (or, without sender and signature, a frame) is refused, or None."""
    is_frame = kind >= SURVIVOR_SET
    if len(raw) < 38 or raw[:3] != b"ISA":
        return "SA-002"
    if raw[3:4] != b"1":
        return "SA-003"
    if raw[4] != kind:
        return "SA-002"
    if raw[5] != rules.suite:
        return "SA-003"
    if len(raw) != 38 + size + (0 if is_frame else 66):
        return "SA-002"
    if not is_frame:
        key = rules.keys.get(num(raw[38:40]))
        if key is None:
            return "SA-005"
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(raw[-64:], NAME + raw[:-64])
        except InvalidSignature:
            return "SA-004"
    return None if raw[6:38] == context else "SA-010"


def quantise(x, rules):
    return [max(-rules.bound, min(rules.bound, round(v * (rules.bound / rules.clip)))) for v in x]


def tag(q, words, rho, rules):
    tags = []
    for n in range(rules.tag_words):
        blocks = -(-len(q) // 2**14)
        raw = stream(rules.suite, kdf(rho, "tag", le(n, 2)), 8 * (2**14 + blocks))
        c = [num(raw[i : i + 8]) for i in range(0, len(raw), 8)]
        tags.append(sum(c[2**14 + i // 2**14] * c[i % 2**14] * v for i, v in enumerate(q)) % 2**64)
    wide = sum(num(kdf(rho, "word-tag", le(i, 2), n=16)) * w for i, w in enumerate(words))
    return [w % 2**64 for w in words] + tags + [wide % 2**128]


def moduli(rules):
    return [2**64] * (len(rules.word_limits) + rules.tag_words) + [2**128]


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
    raw = stream(rules.suite, keys[:32], rules.length * size)
    vector = [num(raw[i : i + size]) for i in range(0, len(raw), size)]
    return vector, unpack_words(stream(rules.suite, keys[32:], rules.words))


def add(a, b, sign, mods):
    return [(x + sign * y) % m for x, y, m in zip(a, b, mods, strict=True)]


class Node:
    """One partner; `run` calls its methods in order."""

    def __init__(self, rules, place, me, seed, root):
        self.r, self.me, self.root = rules, me, root
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.plan, self.model = place["plan_hash"], place["model_hash"]
        head = place["run_id"] + le(place["round"], 4)
        self.ctx0 = h("session", head, le(place["attempt"], 2), rules.digest())
        self.ck = X25519PrivateKey.from_private_bytes(kdf(root, "channel-key", self.ctx0))
        self.zm = num(kdf(root, "mask-secret", self.ctx0, n=48)) % P
        self.mk = X25519PrivateKey.from_private_bytes(kdf(le(self.zm, 32), "mask-key"))

    def advertise(self):
        public = [k.public_key().public_bytes_raw() for k in (self.ck, self.mk)]
        nonce = kdf(self.root, "nonce", self.ctx0, n=16)
        payload = nonce + self.plan + self.model + public[0] + public[1]
        return record(self.r, ADVERT, self.ctx0, self.me, self.key, payload)

    def share(self, adverts):
        """Envelopes by holder."""
        self.adverts = {num(a[38:40]): a[40:-64] for a in adverts}
        roster = h("roster", *adverts)
        base = h("cohort", self.ctx0, self.plan, self.model, roster)
        self.ctx = c = h("group", base, le(0, 2))
        self.zb = num(kdf(self.root, "self-secret", c, n=48)) % P
        dealt = {"self": self.poly("self", self.zb), "mask": self.poly("mask", self.zm)}
        self.rho_part = kdf(self.root, "rho", c)
        self.own = dealt["self"][self.me], dealt["mask"][self.me], self.rho_part
        out = []
        for v in sorted(self.adverts):
            sb, sm, who = dealt["self"][v], dealt["mask"][v], ids2(self.me, v)
            public = le(v, 2) + h("self-secret", c, ids2(self.me, self.me), le(self.zb, 32))
            public += h("self-share", c, who, sb) + h("mask-share", c, who, sm)
            agreed = self.ck.exchange(X25519PublicKey.from_public_bytes(self.adverts[v][80:112]))
            aead = ChaCha20Poly1305(kdf(agreed, "channel", c, who))
            sealed = aead.encrypt(bytes(12), sb + sm + self.rho_part, c + le(self.me, 2) + public)
            out.append(record(self.r, SHARE, c, self.me, self.key, public + sealed))
        return out

    def poly(self, label, secret):
        key = kdf(self.root, "polynomial", label.encode(), self.ctx)
        raw = stream(2, key, 48 * (self.r.t - 1))
        co = [secret] + [num(raw[i : i + 48]) % P for i in range(0, len(raw), 48)]
        return {v: le(sum(a * v**i for i, a in enumerate(co)) % P, 32) for v in self.adverts}

    def accept(self, records):
        self.held = {self.me: self.own}
        for raw in records:
            u, body = num(raw[38:40]), raw[40:-64]
            agreed = self.ck.exchange(X25519PublicKey.from_public_bytes(self.adverts[u][80:112]))
            aead = ChaCha20Poly1305(kdf(agreed, "channel", self.ctx, ids2(u, self.me)))
            text = aead.decrypt(bytes(12), body[98:], self.ctx + le(u, 2) + body[:98])
            self.held[u] = text[:32], text[32:64], text[64:]
        parts = [le(u, 2) + self.held[u][2] for u in sorted(self.held)]
        self.rho = h("rho", self.ctx, *parts)

    def upload(self, x, words):
        """(header, vector words)."""
        r, q = self.r, quantise(x, self.r)
        block = add(tag(q, words, self.rho, r), pad(r, self.rho, self.me), 1, moduli(r))
        ring = [2**r.ring_bits] * r.length
        y = [v % 2**r.ring_bits for v in q]
        masks = [(1, kdf(le(self.zb, 32), "self", self.ctx))]
        for v in sorted(self.held):
            if v != self.me:
                peer = X25519PublicKey.from_public_bytes(self.adverts[v][112:144])
                who = ids2(min(v, self.me), max(v, self.me))
                seed = kdf(self.mk.exchange(peer), "pair", self.ctx, who)
                masks.append((1 if v > self.me else -1, seed))
        for sign, seed in masks:
            vector, narrow = mask(r, seed)
            y, block = add(y, vector, sign, ring), add(block, narrow, sign, moduli(r))
        raw = b"".join(le(v, r.ring_bits // 8) for v in y)
        payload = r.bits(self.held) + hashlib.sha256(raw).digest() + bytes(32) + pack_words(block)
        return record(r, UPLOAD, self.ctx, self.me, self.key, payload), y

    def sign(self, survivors):
        payload = self.r.bits(self.held) + self.r.bits(survivors)
        return record(self.r, SURVIVORS, self.ctx, self.me, self.key, payload)

    def reveal(self, survivors):
        shares = [self.held[u][0 if u in survivors else 1] for u in sorted(self.held)]
        payload = self.r.bits(survivors) + b"".join(shares)
        return record(self.r, REVEAL, self.ctx, self.me, self.key, payload)


def run(case):
    """Play the session of a test vector; returns everything that its JSON records."""
    rules = Rules(case["policy"])
    place = {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in case["session"].items()}
    nodes = {
        i: Node(rules, place, i, bytes.fromhex(case["seeds"][str(i)]), h("root", le(i, 2)))
        for i in rules.ids
    }
    adverts = [nodes[i].advertise() for i in rules.ids]
    sharers = [i for i in rules.ids if i not in case["silent"]]
    dealt = {i: nodes[i].share(adverts) for i in sharers}
    uploads, ring = {}, [2**rules.ring_bits] * rules.length
    for i in sharers:
        place_of = rules.ids.index(i)
        nodes[i].accept([dealt[u][place_of] for u in sharers if u != i])
        if i not in case["dropped"]:
            uploads[i] = nodes[i].upload(case["updates"][str(i)], case["words"][str(i)])
    survivors = sorted(uploads)
    total, block = [0] * rules.length, [0] * len(moduli(rules))
    for header, y in uploads.values():
        total = add(total, y, 1, ring)
        block = add(block, unpack_words(header[136:-64]), 1, moduli(rules))
    for i in survivors:
        vector, narrow = mask(rules, kdf(le(nodes[i].zb, 32), "self", nodes[i].ctx))
        total, block = add(total, vector, -1, ring), add(block, narrow, -1, moduli(rules))
        for o in set(sharers) - set(survivors):
            peer = nodes[o].mk.public_key()
            who = ids2(min(i, o), max(i, o))
            vector, narrow = mask(rules, kdf(nodes[i].mk.exchange(peer), "pair", nodes[i].ctx, who))
            sign = -1 if i < o else 1
            total, block = add(total, vector, sign, ring), add(block, narrow, sign, moduli(rules))
    head = b"ISA1" + bytes([RESULT, rules.suite]) + nodes[survivors[0]].ctx
    return {
        "policy_digest": rules.digest().hex(),
        "context": nodes[survivors[0]].ctx.hex(),
        "adverts": [a.hex() for a in adverts],
        "envelopes": {str(i): hashlib.sha256(b"".join(dealt[i])).hexdigest() for i in sharers},
        "headers": {str(i): uploads[i][0].hex() for i in survivors},
        "signatures": {str(i): nodes[i].sign(survivors).hex() for i in survivors},
        "reveals": {str(i): nodes[i].reveal(survivors).hex() for i in survivors},
        "ring_sum": total,
        "result": (head + rules.bits(survivors) + pack_words(block)).hex(),
    }
