"""`isthmus-node train --local`: a model from the node's own data; nothing is sent."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from clients.commands.home import DEFAULT_HOME, AsJson, Home
from shared.errors import ConfigError


class OnlyLocalError(ConfigError):
    """`train` was called without `--local`: training with others is not started by hand."""

    code = "SRV-124"
    default_remedy = "give --local; federated rounds run in isthmus-node start"


def train(
    local: Annotated[
        bool, typer.Option("--local", help="From own data alone; nothing is sent.")
    ] = False,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Train on the node's own data and publish the model bundle.

    Ctrl-C and the same command again: it goes on. A running service takes the new model over when
    it gets SIGHUP.
    """
    from rich.console import Console

    from clients.data.store import NodeStore
    from clients.home import NodeHome
    from clients.identity import load_identity
    from clients.node_config import read_node_config
    from clients.training.node_training import NodeTraining
    from shared.models.encoders import load_encoder
    from shared.progress import reporter

    if not local:
        raise OnlyLocalError("train without --local")
    node = NodeHome(home)
    config = read_node_config(node)
    key = load_identity(node.identity)
    encoder = load_encoder(config.encoder.name, fingerprint=config.encoder.fingerprint or None)
    training = NodeTraining(node, *NodeStore(node).load(), encoder, config.training)
    with reporter(Console(stderr=True)) as progress:
        path, bundle = training.run(key, progress)
    weights = bundle.weights
    if as_json:
        facts = {"bundle": path.name, "weights": weights.weights, "ndcg@10": weights.ndcg}
        typer.echo(json.dumps(facts, indent=1))
        return
    typer.echo(f"bundle: {path}")
    for name, weight in sorted(weights.weights.items(), key=lambda pair: -pair[1]):
        alone = weights.alone[name]
        typer.echo(f"  {name:20} weight {weight:6.3f}   NDCG@10 alone {alone:.4f}")
    typer.echo(f"  fusion: NDCG@10 {weights.ndcg:.4f} on {weights.users} validation users")
