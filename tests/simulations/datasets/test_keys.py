"""Keys of the lab."""

from simulations.datasets.keys import lab_key


def test_keys_differ_by_seed_and_platform_and_repeat() -> None:
    ids = {lab_key(seed, name).key_id for seed in (1, 2) for name in ("a", "b")}
    assert len(ids) == 4
    assert lab_key(1, "a").pseudonym("u") == lab_key(1, "a").pseudonym("u")
