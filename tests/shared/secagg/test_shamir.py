"""Any t shares give the secret back; fewer say nothing about it."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.secagg import shamir
from shared.secagg.shamir import PRIME, combine, decode, encode, split, weights

field = st.integers(0, PRIME - 1)


@st.composite
def sharings(draw):
    t = draw(st.integers(1, 8))
    points = draw(st.lists(st.integers(1, 0xFFFF), min_size=t, max_size=t + 4, unique=True))
    return draw(field), [draw(field) for _ in range(t - 1)], sorted(points)


@given(sharings(), st.randoms())
@settings(deadline=None)
def test_any_t_shares_give_the_secret_back(sharing, random):
    secret, coefficients, points = sharing
    shares = split(secret, coefficients, points)
    chosen = sorted(random.sample(points, len(coefficients) + 1))
    values = {x: int.from_bytes(shares[x], "little") for x in chosen}
    assert combine(values, weights(chosen)) == secret


def test_fewer_than_t_shares_fit_every_secret(monkeypatch):
    """Exhaustive in a field of 13: two shares of a 3-of-n sharing occur equally often for each."""
    monkeypatch.setattr(shamir, "PRIME", 13)
    for points in combinations(range(1, 5), 2):
        counts = {}
        for secret in range(13):
            seen = {}
            for a in range(13):
                for b in range(13):
                    pair = tuple(split(secret, (a, b), points).values())
                    seen[pair] = seen.get(pair, 0) + 1
            counts[secret] = seen
        assert all(seen == counts[0] for seen in counts.values())


def test_only_canonical_field_elements_decode():
    assert decode(encode(PRIME - 1)) == PRIME - 1
    assert decode((PRIME).to_bytes(32, "little")) is None
    assert decode(bytes(31)) is None
    assert decode(b"\xff" * 32) is None


def test_elements_are_reduced_wide_strings():
    assert shamir.elements(b"\xff" * 96) == [(2**384 - 1) % PRIME] * 2
