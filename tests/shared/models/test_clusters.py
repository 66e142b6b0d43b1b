"""Public clusters: the same for everybody, and nearer items share one more often."""

from __future__ import annotations

import numpy as np

from shared.models.clusters import item_clusters, public_directions

EXPECTED = (-0.39546, 0.745757, 0.23593, -0.48145)


def test_an_item_s_cluster_depends_on_its_vector_alone() -> None:
    vectors = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    together = item_clusters(vectors, 8)
    assert together.min() >= 0
    assert together.max() < 8
    assert item_clusters(vectors[7:9] * 3, 8).tolist() == together[7:9].tolist()


def test_an_item_without_a_vector_is_in_none() -> None:
    assert item_clusters(np.zeros((2, 16), dtype=np.float32), 8).tolist() == [-1, -1]


def test_near_items_share_a_cluster_more_often_than_others() -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((500, 32)).astype(np.float32)
    near = vectors + 0.3 * random.standard_normal((500, 32)).astype(np.float32)
    clusters = item_clusters(vectors, 16)
    assert (item_clusters(near, 16) == clusters).mean() > 0.5
    assert (np.roll(clusters, 1) == clusters).mean() < 0.2


def test_directions_do_not_change() -> None:
    found = public_directions(4, 2)
    assert np.allclose(np.linalg.norm(found, axis=0), 1)
    assert not found.flags.writeable
    np.testing.assert_allclose(found[:, 0], EXPECTED, atol=1e-5)
