"""train, evaluate, recommend and batch on a node with a release: one fusion in all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clients.bundle import Bundle, load_bundle
from clients.bundle_shelf import BundleShelf
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.recommenders.local_parts import (
    CONTENT_PART,
    FEDERATED_CONTENT_PART,
    FEDERATED_PARTS,
    RELEASED_PART,
)
from clients.recommenders.pooled import POOLED_POPULARITY, PooledPopularity
from shared.keyfile import load_identity
from tests.clients.commands.test_lifecycle import call
from tests.clients.released import CONTENT, plan_of, put_release
from tests.clients.serving.world import make_node, user

CONTENT_PARTS = (CONTENT_PART, FEDERATED_CONTENT_PART)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> NodeHome:
    made = make_node(tmp_path_factory.mktemp("train"))
    put_release(made, plan_of(content=True))
    return made


@pytest.fixture(scope="module")
def said(home: NodeHome) -> str:
    code, text = call("train", "--home", str(home.root))
    assert code == 0
    return text


def _bundle(home: NodeHome) -> Bundle:
    signer = load_identity(home.identity).public_key()
    return load_bundle(BundleShelf(home.models).current, signer, NodeStore(home).load()[0])


def test_a_release_that_does_not_help_is_said_to_have_no_weight(home: NodeHome, said: str) -> None:
    assert "nothing from the federation clearly helps here: its parts have weight zero" in said
    assert "released_lstm " in said
    assert "alone " in said
    assert all(f"{part}: reconstruction" in said for part in CONTENT_PARTS)
    assert set(FEDERATED_PARTS) <= set(_bundle(home).weights.unused)


@pytest.mark.usefixtures("said")
def test_evaluation_names_every_part(home: NodeHome) -> None:
    code, text = call("evaluate", "--home", str(home.root), "--json")
    assert code == 0
    found = json.loads(text)
    assert {*FEDERATED_PARTS, CONTENT_PART, "behaviour_lstm", "fusion"} < set(found["systems"])
    assert set(found["content_models"]) == set(CONTENT_PARTS)
    assert all(told["latents"] == CONTENT.latent_dim for told in found["content_models"].values())


@pytest.mark.usefixtures("said")
def test_lists_come_from_the_fusion_with_the_released_model(home: NodeHome, tmp_path: Path) -> None:
    """On the command line, in a batch and in the bundle: the same items in the same order."""
    bundle, (catalogue, histories) = _bundle(home), NodeStore(home).load()
    weights = {**dict.fromkeys(bundle.manifest.fusion.weights, 0.0), RELEASED_PART: 1.0}
    fusion = bundle.manifest.fusion.model_copy(update={"weights": weights})
    facts = {"fusion": fusion, "created": "2031-01-01T00:00:00+00:00"}
    manifest = bundle.manifest.model_copy(update=facts)
    other = replace(bundle, manifest=manifest)
    BundleShelf(home.models).publish(other, load_identity(home.identity))
    row = histories.users.index(NodeStore(home).pseudonym(user(3)))
    scores = other.fusion().scores(histories.take([row]))[0]
    scores[histories.take([row]).items] = -np.inf
    expected = [catalogue.item_ids[n] for n in np.argsort(-scores)[:5]]
    code, text = call(
        "recommend", user(3), "-k", "5", "--diversity", "0", "--home", str(home.root), "--json"
    )
    assert code == 0
    assert [place["item"] for place in json.loads(text)["items"]] == expected
    assert [list(place["parts"]) for place in json.loads(text)["items"]] == [[RELEASED_PART]] * 5
    code, _ = call("batch", "--out", str(tmp_path / "lists"), "--home", str(home.root))
    assert code == 0
    assert pq.read_table(tmp_path / "lists").num_rows > 0


@pytest.mark.usefixtures("said")
def test_evaluation_keeps_the_parts_of_the_partners_statistics(home: NodeHome) -> None:
    bundle, (catalogue, histories) = _bundle(home), NodeStore(home).load()
    places = np.arange(len(catalogue))
    pooled = PooledPopularity(np.ones(len(catalogue)), places).fit(histories, catalogue)
    known = bundle.manifest.fusion
    weights = {**known.weights, POOLED_POPULARITY: 1.0}
    alone = {**known.alone, POOLED_POPULARITY: 0.0}
    facts = {
        "fusion": known.model_copy(update={"weights": weights, "alone": alone}),
        "parts": (*bundle.manifest.parts, POOLED_POPULARITY),
        "created": "2032-01-01T00:00:00+00:00",
    }
    manifest = bundle.manifest.model_copy(update=facts)
    joined = replace(bundle, manifest=manifest, local={**bundle.local, POOLED_POPULARITY: pooled})
    BundleShelf(home.models).publish(joined, load_identity(home.identity))
    code, text = call("evaluate", "--home", str(home.root), "--json")
    assert code == 0
    assert POOLED_POPULARITY in json.loads(text)["systems"]
