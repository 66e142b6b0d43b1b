"""A node with thirty items, a trained model, keys and a service; raw ids are ``user-N``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.types import ASGIApp

from clients.data.node_ingest import NodeIngestion
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.lifecycle.creation import create_node
from clients.lifecycle.erasure import forget
from clients.node_config import read_node_config
from clients.serving.http.application import make_application
from clients.serving.http.server import bound
from clients.serving.keys import ApiKeys, key_file
from clients.serving.opening import open_service
from clients.serving.service import Service
from clients.training.node_training import NodeTraining
from shared.keyfile import load_identity
from shared.models.encoders import load_encoder
from tests.clients.small_node import CONFIG, KINDS, quiet

T = 1_700_000_000
ITEMS, USERS, LENGTH = 30, 40, 8


def user(number: int) -> str:
    return f"user-{number}@example.org"


def make_node(folder: Path, **sections: object) -> NodeHome:
    """Ingested, not yet trained."""
    home = NodeHome(folder / "node")
    data = {"events": {"path": "events.jsonl"}, "items": {"path": "items.csv"}}
    training = CONFIG.model_dump()
    training["personalisation"].pop("popularity_scales")
    chosen = {"data": data, "encoder": {"name": "hashed-words"}, "training": training, **sections}
    create_node(home, chosen)
    (home.root / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _events()))
    lines = ["item_id,title,categories,price"]
    lines += [f"i{n},{KINDS[n % 3]} number {n},{KINDS[n % 3]},{n}" for n in range(ITEMS)]
    (home.root / "items.csv").write_text("\n".join(lines) + "\n")
    config = read_node_config(home, {})
    NodeIngestion.of(home, config.name, config.data).run(NodeStore(home))
    return home


def train(home: NodeHome) -> Path:
    encoder = load_encoder("hashed-words")
    index_from = read_node_config(home, {}).serving.index_from
    data = NodeStore(home).load()
    training = NodeTraining(home, *data, encoder, CONFIG, index_from=index_from)
    return training.run(load_identity(home.identity), quiet())[0]


@dataclass(frozen=True, slots=True)
class World:
    """A service and what tests need beside it."""

    home: NodeHome
    service: Service
    app: ASGIApp
    keys: dict[str, str]

    def header(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}


def open_world(home: NodeHome) -> World:
    config = read_node_config(home, {})
    service = open_service(home, config)
    keys = ApiKeys(key_file(home))
    there = {key.name for key in keys.all()}
    made = {role: keys.add(f"{role}-{len(there)}", role) for role in ("serve", "feedback", "admin")}
    app = make_application(service, keys, lambda user: forget(home, service.store, user))
    return World(home, service, app, made)


@contextmanager
def served(world: World) -> Iterator[httpx.Client]:
    """The world behind a real server on this machine."""
    listening = bound(world.service.config.model_copy(update={"port": 0}))
    settings = uvicorn.Config(world.app, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    host, port = listening.getsockname()[:2]
    try:
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _events() -> list[dict[str, object]]:
    return [
        {
            "user_id": user(u),
            "item_id": f"i{(7 * u + n) % ITEMS}",
            "timestamp": T + 1000 * u + 60 * n,
            "event": "view",
        }
        for u in range(USERS)
        for n in range(LENGTH)
    ]
