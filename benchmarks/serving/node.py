"""A generated node: items in topics, users with habits, a bundle in which every part has weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import torch

from clients.bundle import Bundle, BundleManifest, FusionFacts, catalogue_digest
from clients.bundle_shelf import BundleShelf
from clients.data.node_ingest import NodeIngestion
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.lifecycle.creation import create_node
from clients.node_config import read_node_config
from clients.recommenders.local_parts import LOCAL_PARTS, MODEL_PART, fit_local_parts
from clients.retrieval.index import INDEX_FROM, index_of
from clients.serving.keys import ApiKeys, key_file
from clients.training.personalise import PersonalModel
from shared.keyfile import load_identity
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix

USERS = 20_000
TOPICS = 500


def make_node(folder: Path, items: int) -> tuple[NodeHome, dict[str, str]]:
    """A node that serves `items` items to `USERS` users, and its keys by role."""
    home = NodeHome(folder)
    data = {"events": {"path": "events.parquet"}, "items": {"path": "items.parquet"}}
    serving = {"requests_per_second": 1e6, "burst": 1_000_000}
    create_node(home, {"name": "bench", "data": data, "serving": serving})
    _write_tables(folder, items)
    config = read_node_config(home, {})
    NodeIngestion.of(home, config.name, config.data).run(NodeStore(home))
    publish(home, items)
    keys = ApiKeys(key_file(home))
    return home, {role: keys.add(role, role) for role in ("serve", "feedback", "admin")}


def publish(home: NodeHome, items: int, created: str = "2030-01-01T00:00:00+00:00") -> None:
    """Put a bundle on the shelf; its behaviour model is untrained, which costs the same."""
    catalogue, histories = NodeStore(home).load()
    config = BehaviourConfig()
    names = (*LOCAL_PARTS, MODEL_PART)
    manifest = BundleManifest(
        format=1,
        created=created,
        start="initial",
        encoder="generated",
        encoder_fingerprint="0" * 64,
        catalogue=catalogue_digest(catalogue),
        items=items,
        users=len(histories),
        events=len(histories.items),
        model=config,
        parts=tuple(LOCAL_PARTS),
        fusion=FusionFacts(
            weights=dict.fromkeys(names, 1.0), ndcg=0.0, alone=dict.fromkeys(names, 0.0), users=0
        ),
    )
    personal = PersonalModel(
        config=config,
        parameters=initial_parameters(config, 0),
        items=ItemMatrix(vectors=torch.from_numpy(vectors(items, config.item_dim))),
        validation=(),
        steps=0,
        popularity_scale=0.0,
    )
    local = fit_local_parts(histories, catalogue)
    index = index_of(personal.items) if items >= INDEX_FROM else None
    bundle = Bundle(manifest=manifest, personal=personal, local=local, index=index)
    BundleShelf(home.models).publish(bundle, load_identity(home.identity))


def again(home: NodeHome, created: str) -> None:
    """Another bundle with the same content, to be swapped in."""
    from clients.bundle import load_bundle

    key = load_identity(home.identity)
    shelf = BundleShelf(home.models)
    bundle = load_bundle(shelf.current, key.public_key(), NodeStore(home).load()[0])
    manifest = bundle.manifest.model_copy(update={"created": created})
    shelf.publish(replace(bundle, manifest=manifest), key)


def vectors(items: int, dim: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """(N, d) unit vectors around topics, made in place: a million take 2 GB."""
    random = np.random.default_rng(0)
    topics = random.standard_normal((TOPICS, dim), dtype=np.float32)
    found = random.standard_normal((items, dim), dtype=np.float32)
    for start in range(0, items, TOPICS):
        rows = found[start : start + TOPICS]
        rows += topics[: len(rows)]
    found /= np.sqrt(np.einsum("nd,nd->n", found, found))[:, None]
    return found


def _write_tables(folder: Path, items: int) -> None:
    database = duckdb.connect()
    database.execute("SELECT setseed(0.5)")
    database.execute(
        f"""COPY (SELECT 'item-' || i AS item_id,
        'word' || (i % 4999) || ' word' || (i % 997) || ' word' || (i * 7 % 10007) AS title,
        'topic ' || (i % {TOPICS}) AS categories FROM range({items}) t(i))
        TO '{folder}/items.parquet' (FORMAT parquet)"""  # noqa: S608 (own numbers)
    )
    database.execute(
        f"""COPY (SELECT 'user-' || u AS user_id,
        'item-' || ((u % {TOPICS} + {TOPICS} * (power(random(), 2) * {items} / {TOPICS})::BIGINT)
        % {items}) AS item_id, 1700000000 + u + 3600 * e AS timestamp, 'view' AS event
        FROM range({USERS}) a(u), range(5 + u % 30) b(e))
        TO '{folder}/events.parquet' (FORMAT parquet)"""  # noqa: S608 (own numbers)
    )
