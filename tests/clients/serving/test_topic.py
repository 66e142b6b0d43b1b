"""The VAE-GAN's content, where a bundle has one, chooses what the service's blurbs are about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clients.advice import Wish
from clients.bundle import load_bundle
from clients.bundle_shelf import BundleShelf
from clients.content_file import ContentPart
from clients.data.store import NodeStore
from clients.serving.engine import Prepared, Wanted
from shared.keyfile import load_identity
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from tests.clients.serving.world import World, make_node, open_world, train, user
from tests.clients.small_node import CONFIG


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = make_node(tmp_path_factory.mktemp("topic"))
    path = train(home)
    key, catalogue = load_identity(home.identity), NodeStore(home).load()[0]
    bundle = load_bundle(path, key.public_key(), catalogue)
    shape = ContentConfig(item_dim=CONFIG.model.item_dim, latent_dim=4, hidden_dim=8)
    content = ContentPart(shape, initial_content(shape, 1))
    manifest = bundle.manifest.model_copy(update={"created": "2031-01-01T00:00:00+00:00"})
    BundleShelf(home.models).publish(replace(bundle, content=content, manifest=manifest), key)
    return open_world(home)


def prepared(world: World, number: int, wish: Wish) -> Prepared:
    pseudonym = world.service.store.pseudonym(user(number))
    return world.service.engine.prepare([Wanted(user=pseudonym, k=3, wish=wish)])[0]


def test_a_blurb_is_about_what_the_model_generates(world: World) -> None:
    one = prepared(world, 3, Wish(text="blurb"))
    model, content = world.service.engine.model, one.wanted.wish.content
    assert model is not None
    assert content is not None
    np.testing.assert_array_equal(content, model.content(one.history))
    vectors = model.vectors[one.history.items]
    profile = vectors.mean(axis=0)
    assert content @ profile > 0  # it starts from what the user had
    assert len(one.answer().advice.texts) == 3


def test_nothing_is_generated_where_it_would_not_be_used(world: World) -> None:
    assert prepared(world, 3, Wish()).wanted.wish.content is None
    assert prepared(world, 3, Wish(text="explanation")).wanted.wish.content is None
    nobody = world.service.engine.prepare([Wanted(user="0" * 32, k=3, wish=Wish(text="blurb"))])
    assert nobody[0].wanted.wish.content is None
    assert len(nobody[0].answer().advice.texts) == 3
