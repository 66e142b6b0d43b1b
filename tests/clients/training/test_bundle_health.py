"""What a node says of the content models in its bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clients.evaluation.split import leave_one_out
from clients.home import NodeHome
from clients.recommenders.local_parts import CONTENT_PART, FEDERATED_CONTENT_PART
from clients.training.bundle_health import bundle_health
from tests.clients.released import CONTENT, released
from tests.clients.small_node import CONFIG, node_training, quiet
from tests.clients.training.worlds import cyclic_platform

TRAINING = leave_one_out(cyclic_platform()).training


def test_every_content_model_is_looked_at(tmp_path: Path) -> None:
    bundle = node_training(NodeHome(tmp_path)).bundle(quiet(), released())
    found = bundle_health(bundle, TRAINING)
    own, federated = found[CONTENT_PART], found[FEDERATED_CONTENT_PART]
    assert (own.latents, federated.latents) == (CONFIG.content_shape.latent_dim, CONTENT.latent_dim)
    assert set(bundle_health(replace(bundle, released=None, content=None), TRAINING)) == {
        CONTENT_PART
    }
    assert bundle_health(replace(bundle, content=None, own_content=None), TRAINING) == {}


def test_a_model_whose_latent_says_nothing_is_said_to_have_collapsed(tmp_path: Path) -> None:
    bundle = node_training(NodeHome(tmp_path)).bundle(quiet())
    assert bundle.own_content is not None
    silent = replace(bundle.own_content, parameters=np.zeros_like(bundle.own_content.parameters))
    found = bundle_health(replace(bundle, own_content=silent), TRAINING)[CONTENT_PART]
    assert found.collapsed
    assert "posterior collapse" in found.as_json()["sentences"][0]
