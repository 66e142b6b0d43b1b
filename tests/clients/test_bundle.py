"""Bundles: what is read is what was written; what this node did not write is refused."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.bundle import (
    CONTENT,
    MANIFEST,
    OWN_CONTENT,
    PARTS,
    PERSONAL,
    RELEASED,
    SIGNATURE,
    Bundle,
    CorruptBundleError,
    ForeignBundleError,
    FusionFacts,
    MissingBundleError,
    OtherCatalogueError,
    load_bundle,
    save_bundle,
)
from clients.home import NodeHome
from clients.recommenders.local_parts import CONTENT_PART, FEDERATED_PARTS
from shared.hashing import digest
from tests.clients.released import released
from tests.clients.small_node import catalogue_of, identity_of, node_training, quiet, trained
from tests.clients.training.worlds import cyclic_platform


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> NodeHome:
    return NodeHome(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def bundle(home: NodeHome) -> Bundle:
    return trained(home)[1]


@pytest.fixture
def saved(home: NodeHome, bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", bundle, identity_of(home))
    return tmp_path / "bundle"


def load(home: NodeHome, path: Path) -> Bundle:
    return load_bundle(path, identity_of(home).public_key(), catalogue_of())


def test_a_loaded_bundle_ranks_as_the_saved_one(
    home: NodeHome, bundle: Bundle, saved: Path
) -> None:
    histories = cyclic_platform(users=5)
    loaded = load(home, saved)
    for name, part in bundle.parts().items():
        expected = part.log_probabilities(histories)
        np.testing.assert_array_equal(loaded.parts()[name].log_probabilities(histories), expected)
    assert loaded.weights == bundle.weights
    expected = bundle.fusion().scores(histories)
    np.testing.assert_array_equal(loaded.fusion().scores(histories), expected)


@pytest.fixture(scope="module")
def joined(home: NodeHome) -> Bundle:
    """With the models of a release."""
    return node_training(home).bundle(quiet(), released())


def test_a_bundle_with_a_release_ranks_as_the_saved_one(
    home: NodeHome, joined: Bundle, tmp_path: Path
) -> None:
    histories, path = cyclic_platform(users=5), tmp_path / "joined"
    save_bundle(path, joined, identity_of(home))
    loaded = load(home, path)
    assert set(joined.parts()) == set(loaded.parts()) > set(FEDERATED_PARTS)
    for name, part in joined.parts().items():
        expected = part.log_probabilities(histories)
        np.testing.assert_array_equal(loaded.parts()[name].log_probabilities(histories), expected)
    assert len(list(path.iterdir())) == 8
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in path.iterdir())


def test_a_bundle_from_before_nodes_had_content_models_ranks_as_it_did(
    home: NodeHome, bundle: Bundle, tmp_path: Path
) -> None:
    facts = bundle.manifest.fusion.model_dump()
    del facts["weights"][CONTENT_PART], facts["alone"][CONTENT_PART]
    manifest = bundle.manifest.model_copy(update={"fusion": FusionFacts(**facts)})
    before, path = replace(bundle, own_content=None, manifest=manifest), tmp_path / "old"
    save_bundle(path, before, identity_of(home))
    _sign_without(path, "own_content", identity_of(home))
    loaded, histories = load(home, path), cyclic_platform(users=5)
    assert loaded.own_content is None
    assert CONTENT_PART not in loaded.parts()
    expected = before.fusion().scores(histories)
    np.testing.assert_array_equal(loaded.fusion().scores(histories), expected)


def _sign_without(path: Path, key: str, identity: Ed25519PrivateKey) -> None:
    """Take a field out of a manifest that did not have it once, and sign it."""
    facts = json.loads((path / MANIFEST).read_text())
    del facts[key]
    text = json.dumps(facts).encode()
    (path / MANIFEST).write_bytes(text)
    signature = identity.sign(digest("isthmus model bundle 1", text))
    (path / SIGNATURE).write_text(signature.hex())


@pytest.mark.parametrize("name", [RELEASED, CONTENT, OWN_CONTENT])
def test_a_damaged_model_beside_the_own_lstm_is_refused(
    home: NodeHome, joined: Bundle, tmp_path: Path, name: str
) -> None:
    save_bundle(tmp_path / "joined", joined, identity_of(home))
    _flip(tmp_path / "joined" / name)
    with pytest.raises(CorruptBundleError, match=name):
        load(home, tmp_path / "joined")


def test_a_weight_for_a_model_that_is_not_there_is_refused(
    home: NodeHome, joined: Bundle, tmp_path: Path
) -> None:
    bare = Bundle(manifest=joined.manifest, personal=joined.personal, local=joined.local)
    save_bundle(tmp_path / "bare", bare, identity_of(home))
    with pytest.raises(CorruptBundleError, match="not known"):
        load(home, tmp_path / "bare")


def test_nobody_but_the_owner_can_read_it(saved: Path) -> None:
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in saved.iterdir())
    assert len(list(saved.iterdir())) == 6


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [_flip, _cut, Path.unlink])
@pytest.mark.parametrize("name", [PERSONAL, PARTS])
def test_a_damaged_file_is_refused(
    home: NodeHome, saved: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(saved / name)
    with pytest.raises(CorruptBundleError, match=name):
        load(home, saved)


def test_a_changed_manifest_is_not_this_nodes(home: NodeHome, saved: Path) -> None:
    text = (saved / MANIFEST).read_text()
    (saved / MANIFEST).write_text(text.replace('"users": 80', '"users": 81'))
    with pytest.raises(ForeignBundleError):
        load(home, saved)


def test_a_bundle_of_another_node_is_refused(
    home: NodeHome, bundle: Bundle, tmp_path: Path
) -> None:
    save_bundle(tmp_path / "foreign", bundle, Ed25519PrivateKey.generate())
    with pytest.raises(ForeignBundleError):
        load(home, tmp_path / "foreign")


def test_a_signature_that_is_no_signature_is_refused(home: NodeHome, saved: Path) -> None:
    (saved / SIGNATURE).write_text("not hexadecimal")
    with pytest.raises(CorruptBundleError):
        load(home, saved)


def test_a_signed_manifest_of_another_format_is_refused(
    home: NodeHome, bundle: Bundle, tmp_path: Path
) -> None:
    other = bundle.manifest.model_copy(update={"format": 2})
    changed = Bundle(manifest=other, personal=bundle.personal, local=bundle.local)
    save_bundle(tmp_path / "newer", changed, identity_of(home))
    with pytest.raises(CorruptBundleError, match="format 1"):
        load(home, tmp_path / "newer")


def test_another_catalogue_is_refused(home: NodeHome, saved: Path) -> None:
    with pytest.raises(OtherCatalogueError):
        load_bundle(saved, identity_of(home).public_key(), catalogue_of(29))


def test_a_missing_bundle_is_named(home: NodeHome, tmp_path: Path) -> None:
    with pytest.raises(MissingBundleError):
        load(home, tmp_path / "nothing")
