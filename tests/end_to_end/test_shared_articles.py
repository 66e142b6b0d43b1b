"""Three shops that sell the same articles: from their files to lists, by the ordinary commands."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from flwr.app import Message
from typer.testing import CliRunner

from clients.app import make_app, open_node
from clients.approvals import Approvals
from clients.bundle import read_manifest
from clients.bundle_shelf import BundleShelf
from clients.cli import app as node_cli
from clients.home import NodeHome
from clients.identity import load_identity
from clients.preparation import announced_plan, refresh_training
from clients.recommenders.local_parts import POOLED_PARTS
from clients.recommenders.pooled import POOLED_POPULARITY
from clients.rounds import NodeRounds
from server.app import run_plan
from server.cli import app as coordinator_cli
from server.coordinator import RunSettings
from server.home import CoordinatorHome
from server.run_state import propose
from shared.errors import IsthmusError
from shared.files import read_json, write_json
from shared.models.encoders import load_encoder
from shared.plan import TrainingPlan
from shared.wire import START, Parcel
from simulations.grid import LocalGrid
from tests.network import admitted_node, coordinator

NAMES = ("north", "south", "west")
USERS, ITEMS = 90, 40
QUICK = {
    "ISTHMUS_NODE__ENCODER__NAME": "hashed-words",
    "ISTHMUS_NODE__TRAINING__PERSONALISATION__MAX_STEPS": "5",
    "ISTHMUS_NODE__TRAINING__PERSONALISATION__CHECK_EVERY": "5",
}
MODEL = {"item_dim": 16, "adapter_dim": 4, "input_dim": 4, "hidden_dim": 4, "history_length": 6}


def _call(cli: object, *arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.stdout


def _files(home: NodeHome, seed: int) -> tuple[Path, Path]:
    """Every user walks upwards through the articles from somewhere; item numbers are the shop's."""
    choose, folder = random.Random(seed), home.root.parent / "files" / home.root.name
    folder.mkdir(parents=True)
    items = [f"{seed}-{n},Thing number {n},A|B,gtin-{n:04}" for n in range(ITEMS)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,categories,gtin", *items]) + "\n")
    rows = ["user_id,item_id,timestamp,event"]
    for person in range(USERS):
        first, step = choose.randrange(6), choose.choice((1, 2))
        walk = [(first + step * k) % ITEMS for k in range(6)]
        rows += [f"u{person},{seed}-{n},{1_700_000_000 + k},view" for k, n in enumerate(walk)]
    (folder / "events.csv").write_text("\n".join(rows) + "\n")
    return folder / "events.csv", folder / "items.csv"


def _node(center: CoordinatorHome, root: Path, name: str, seed: int) -> NodeHome:
    """A shop that has ingested its files, joined, and allows statistics."""
    home = NodeHome(root / name)
    events, items = _files(home, seed)
    sources = ["--events", str(events), "--items", str(items)]
    _call(node_cli, "init", "--yes", "--name", name, *sources, "--home", str(home.root))
    text = home.config.read_text()
    home.config.write_text(text + '\n[data.items.extra]\npublic_id = "gtin"\n')
    _call(node_cli, "ingest", "--home", str(home.root))
    admitted_node(center, root, name)
    return home


def _pin(homes: dict[str, NodeHome]) -> None:
    keys = {n: load_identity(h.identity).public_key().public_bytes_raw() for n, h in homes.items()}
    for home in homes.values():
        policy = read_json(home.policy)
        policy["partners"] = {name: key.hex() for name, key in keys.items()}
        changes = {"allow_statistics": True, "approval": "by-policy", "encoders": ["hashed-words"]}
        write_json(home.policy, policy | changes)


def _plan(center: CoordinatorHome) -> TrainingPlan:
    encoder = load_encoder("hashed-words")
    terms = {
        "purpose": "test",
        "rounds": 1,
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint},
        "model": MODEL,
        "local": {"steps": 1, "batch_users": 16},
        "aggregation": {},
        "privacy": {"epsilon": 8.0},
        "statistics": {"frequent": 10, "noise_multiplier": 2.0},
    }
    return propose(center, terms, replace=False)


def _run(center: CoordinatorHome, plan: TrainingPlan, homes: dict[str, NodeHome]) -> None:
    """As the executors of a deployment do, over a grid in memory."""
    nodes: dict[int, NodeRounds] = {}

    def resolve(number: int) -> NodeRounds:
        home = list(homes.values())[number - 1]
        return nodes.setdefault(number, NodeRounds(open_node(home.root)))

    def prepare(number: int, message: Message) -> Message:
        home = list(homes.values())[number - 1]
        if message.metadata.message_type == START:
            parcel = Parcel.from_record(message.content)
            try:
                refresh_training(home, announced_plan(parcel.body, home))
            except IsthmusError:
                pytest.fail("a node refuses the plan")
        return message

    grid = LocalGrid(
        make_app(lambda context: resolve(context.node_id)),
        {number: {} for number in range(1, len(homes) + 1)},
        fault=prepare,
    )
    run_plan(grid, RunSettings(directory=center.run(plan.run_id), identity=center.identity))


@pytest.mark.slow
def test_what_three_shops_count_together_is_in_the_lists_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    center = coordinator(tmp_path)
    homes = {n: _node(center, tmp_path, n, seed) for seed, n in enumerate(NAMES, start=1)}
    _pin(homes)
    handed = tmp_path / "partners.key"
    lists = []
    for home in homes.values():
        key = [str(handed)] if handed.exists() else []
        _call(node_cli, "articles", "key", *key, "--home", str(home.root))
        handed.write_bytes(home.article_key.read_bytes())
        handed.chmod(0o600)
        lists.append(str(tmp_path / f"{home.root.name}.json"))
        _call(node_cli, "articles", "export", lists[-1], "--home", str(home.root))
    said = _call(coordinator_cli, "articles", *lists, "--home", str(center.root))
    assert f"at least: {ITEMS} articles" in said
    plan = _plan(center)
    _run(center, plan, homes)
    _call(coordinator_cli, "releases", "promote", plan.run_id, "--home", str(center.root))
    card = center.documents / f"release-{plan.run_id}.json"
    for home in homes.values():
        assert [s.release.model for s in open_node(home.root).ledger().spends()] == [
            "popularity",
            "pairs",
            "behaviour",
        ]
        waiting = Approvals(home.approvals).find(plan.digest().hex())
        assert waiting.plan.statistics is not None
        told = _call(node_cli, "plan", plan.digest().hex(), "--home", str(home.root))
        assert f"{ITEMS} articles that partners share" in told
        _call(node_cli, "releases", "accept", str(card), "--home", str(home.root))
        facts = json.loads(_call(node_cli, "train", "--json", "--home", str(home.root)))
        bundle = BundleShelf(home.models).current
        manifest = read_manifest(bundle, load_identity(home.identity).public_key())
        assert facts["gate"]
        if manifest.start == plan.run_id:  # the gate may have kept the release out
            assert set(POOLED_PARTS) & set(manifest.parts) == set(POOLED_PARTS) & set(
                facts["parts"]
            )
            assert POOLED_POPULARITY in manifest.parts
        items = json.loads(_call(node_cli, "recommend", "u1", "--json", "--home", str(home.root)))
        assert items
