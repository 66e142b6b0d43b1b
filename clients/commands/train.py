"""`isthmus-node train`: a model from the node's own data, from a release or alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.commands.home import DEFAULT_HOME, AsJson, Home

if TYPE_CHECKING:
    from clients.bundle import Bundle


def train(
    local: Annotated[
        bool, typer.Option("--local", help="Alone, even if a global model is in use.")
    ] = False,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Train on the node's own data and publish the model bundle; nothing is sent.

    Without --local the federation's release in use joins the node's own model in the fusion, with
    weights learned on validation items; it is compared with what the node can do alone, and served
    only if it is not worse. Ctrl-C and the same command again: it goes
    on. A running service takes the new model over when it gets SIGHUP.
    """
    from rich.console import Console

    from clients.data.store import NodeStore
    from clients.evaluation.split import leave_one_out
    from clients.home import NodeHome
    from clients.identity import load_identity
    from clients.node_config import read_node_config
    from clients.public_ids import own_hashes
    from clients.training.bundle_health import bundle_health
    from clients.training.joined_training import train_from_release
    from clients.training.node_training import NodeTraining
    from shared.models.encoders import load_encoder
    from shared.progress import reporter

    node = NodeHome.existing(home)
    config, key, store = read_node_config(node), load_identity(node.identity), NodeStore(node)
    data, features, index_from = store.load(), store.features(), config.serving.index_from
    facts: dict[str, Any] = {}
    with reporter(Console(stderr=True)) as progress:
        if local:
            fingerprint = config.encoder.fingerprint or None
            encoder = load_encoder(config.encoder.name, fingerprint=fingerprint)
            training = NodeTraining(
                node, *data, encoder, config.training, features=features, index_from=index_from
            )
            path, bundle = training.run(key, progress)
        else:
            joined = train_from_release(
                node,
                *data,
                config.training,
                key,
                lambda choice: load_encoder(choice.name, fingerprint=choice.fingerprint),
                progress,
                features,
                index_from,
                own_hashes(node),
            )
            path, bundle, decision = joined.path, joined.bundle, joined.decision
            facts = {
                "release": joined.release.name,
                "alone": decision.served,
                "joined": decision.new,
                "gate": decision.reason,
                "situation": joined.situation.sentence() if joined.situation else "",
            }
    health = bundle_health(bundle, leave_one_out(data[1]).training)
    told = {part: found.as_json() for part, found in health.items()}
    facts = {"bundle": path.name, **facts, **_facts(bundle), "content_models": told}
    typer.echo(json.dumps(facts, indent=1) if as_json else _text(facts))


def _facts(bundle: Bundle) -> dict[str, Any]:
    from clients.recommenders.fusion import COLD_PART

    weights = bundle.weights
    parts = {
        name: {
            "weight": weight,
            "weight on cold items": weights.cold.get(name, weight),
            "ndcg@10 alone": weights.alone[name],
        }
        for name, weight in sorted(weights.weights.items(), key=lambda pair: -pair[1])
    }
    facts = {"ndcg@10": weights.ndcg, "validation users": weights.users, "parts": parts}
    if weights.cold:
        facts["cold items"] = weights.cold[COLD_PART]
    return {**facts, "start": bundle.manifest.start, "unused": list(weights.unused)}


def _text(facts: dict[str, Any]) -> str:
    from clients.recommenders.local_parts import JOINED_PARTS

    lines = [f"bundle: {facts['bundle']}"]
    if "gate" in facts:
        lines += [
            f"  alone {facts['alone']:.4f}, with release {facts['release'][:8]} "
            f"{facts['joined']:.4f} NDCG@10 on this node's hold-out",
            f"  {facts['gate']}",
        ]
    if facts.get("situation"):
        lines.append(f"  {facts['situation']}")
    for name, part in facts["parts"].items():
        weights = f"weight {part['weight']:6.3f}"
        if "cold items" in facts:
            weights += f", on cold items {part['weight on cold items']:6.3f}"
        lines.append(f"  {name:25} {weights}   NDCG@10 alone {part['ndcg@10 alone']:.4f}")
    if "cold items" in facts:
        offset = facts["cold items"]
        lines.append(f"  items that nobody here has met are weighed apart: {offset:+.3f} added")
    if facts["unused"]:
        lines.append(f"  not used, since they do not help here: {', '.join(facts['unused'])}")
    joined = [name for name in facts["parts"] if name in JOINED_PARTS]
    if joined and set(joined) <= set(facts["unused"]):
        lines.append("  nothing from the federation clearly helps here: its parts have weight zero")
    for name, health in facts["content_models"].items():
        lines += [f"  {name}: {sentence}" for sentence in health["sentences"]]
    users = facts["validation users"]
    return "\n".join(
        [*lines, f"  fusion: NDCG@10 {facts['ndcg@10']:.4f} on {users} validation users"]
    )
