"""The shelf: one bundle is current, a few earlier ones can be gone back to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clients.bundle import Bundle, MissingBundleError
from clients.bundle_shelf import KEPT, BundleShelf
from clients.home import NodeHome
from tests.clients.small_node import identity_of, trained


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> NodeHome:
    return NodeHome(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def bundle(home: NodeHome) -> Bundle:
    return trained(home)[1]


def _made(bundle: Bundle, second: int) -> Bundle:
    created = f"2030-01-01T00:00:{second:02d}+00:00"
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"created": created}))


def test_nothing_published_is_a_missing_bundle(home: NodeHome) -> None:
    with pytest.raises(MissingBundleError):
        _ = BundleShelf(home.root / "empty").current


def test_the_newest_is_current_and_the_oldest_goes(home: NodeHome, bundle: Bundle) -> None:
    shelf = BundleShelf(home.root / "several")
    paths = [shelf.publish(_made(bundle, n), identity_of(home)) for n in range(KEPT + 2)]
    assert shelf.current == paths[-1]
    assert shelf.names() == [path.name for path in paths[-KEPT:]]


def test_one_can_go_back_but_only_to_what_is_there(home: NodeHome, bundle: Bundle) -> None:
    shelf = BundleShelf(home.root / "back")
    first, _ = (shelf.publish(_made(bundle, n), identity_of(home)) for n in range(2))
    shelf.choose(first.name)
    assert shelf.current == first
    with pytest.raises(MissingBundleError):
        shelf.choose("../elsewhere")
