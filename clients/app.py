"""The Flower ClientApp of a node.

Handlers only translate: a parcel in, `NodeRounds.answer`, a parcel or a constant error code out.
The text of an exception may hold data, so it goes to the node's own log and never to the
coordinator (stock Flower would send it).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode

from clients.articles import ArticlesNeededError
from clients.global_model import ModelNeededError
from clients.home import NodeHome
from clients.identity import load_identity
from clients.node_config import read_node_config
from clients.node_data import TrainingData
from clients.policy import read_policy
from clients.rounds import Node, NodeRounds
from clients.training.device import HOST, Compute
from shared.errors import ConfigError, IsthmusError
from shared.logs import facts
from shared.wire import MASK, RELEASE, SHARE, START, SURVIVORS, UNMASK, Parcel

INTERNAL_ERROR = "FED-099"
SIMULATION_VARIABLE = "ISTHMUS_SIMULATION"
ASKED_FOR: Final = (ModelNeededError, ArticlesNeededError)
"""Refusals that ask for something which the coordinator sends next: part of an ordinary round."""
Resolve = Callable[[Context], NodeRounds]
logger = logging.getLogger(__name__)


class NodeNotFoundError(ConfigError):
    """The node's directory is not given or not there."""

    code = "CFG-011"
    default_remedy = "start the SuperNode with --node-config 'node-dir=\"/path/of/the/node\"'"


def make_app(resolve: Resolve) -> ClientApp:
    """A ClientApp whose messages are answered by the node that `resolve` finds for a context."""
    app = ClientApp()

    def handler(stage: str) -> Callable[[Message, Context], Message]:
        return lambda message, context: _answer(resolve, stage, message, context)

    for stage in (START, SHARE, MASK):
        app.train(stage.split(".")[1])(handler(stage))
    for stage in (SURVIVORS, UNMASK, RELEASE):
        app.query(stage.split(".")[1])(handler(stage))
    return app


def open_node(directory: Path) -> Node:
    """The node whose files stand in `directory`.

    Raises
    ------
    IsthmusError
        A file is missing or refused.
    """
    home = NodeHome(directory)
    if not directory.is_dir():
        raise NodeNotFoundError(f"no node directory {str(directory)!r}")
    return Node(
        home=home,
        identity=load_identity(home.identity),
        policy=read_policy(home),
        data=TrainingData.load(home.training),
        compute=_compute(home),
    )


def _compute(home: NodeHome) -> Compute:
    """What node.toml says; a simulated node has none and computes on the CPU."""
    if not home.config.exists():
        return HOST
    return Compute.named(read_node_config(home).training.device)


def _answer(resolve: Resolve, stage: str, message: Message, context: Context) -> Message:
    rounds = None
    try:
        rounds = resolve(context)
        parcel = rounds.answer(stage, Parcel.from_record(message.content))
    except IsthmusError as error:
        level = logging.INFO if isinstance(error, ASKED_FOR) else logging.WARNING
        logger.log(level, "refused: %s", error, extra=facts(stage=stage, code=error.code))
        return _refusal(rounds, stage, message, error.code)
    except Exception:  # whatever it is, its text stays here
        logger.exception("failed", extra=facts(stage=stage, code=INTERNAL_ERROR))
        return _refusal(rounds, stage, message, INTERNAL_ERROR)
    return Message(parcel.to_record(), reply_to=message)


def _refusal(rounds: NodeRounds | None, stage: str, message: Message, code: str) -> Message:
    """A reply of one constant code, on the receipt log if there is one that can be written."""
    if rounds is not None:
        try:
            rounds.refuse(stage, code)
        except IsthmusError as error:
            logger.error("no receipt: %s", error)
            code = error.code
    return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, code), reply_to=message)


def _directory(context: Context) -> Path:
    """The node's directory: from its own configuration, never from what the coordinator sends.

    Only in a simulation, which the person at this machine declares in the environment, the run's
    configuration names the directory of all nodes.
    """
    own = context.node_config.get("node-dir")
    if own:
        return Path(str(own))
    if os.environ.get(SIMULATION_VARIABLE) == "1":
        nodes = Path(str(context.run_config["nodes-dir"]))
        return nodes / str(context.node_config["partition-id"])
    raise NodeNotFoundError("the node configuration names no node-dir")


_opened: dict[Path, tuple[tuple[int, ...], NodeRounds]] = {}


def _from_directory(context: Context) -> NodeRounds:
    """One `NodeRounds` per directory, opened again when its files have changed.

    A simulation may serve one node by several processes, so there nothing is kept in memory.
    """
    directory = _directory(context)
    if os.environ.get(SIMULATION_VARIABLE) == "1":
        return NodeRounds(open_node(directory))
    home = NodeHome(directory)
    files = (home.policy, home.training, home.identity, home.config)
    seen = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)
    if directory not in _opened or _opened[directory][0] != seen:
        _opened[directory] = seen, NodeRounds(open_node(directory))
    return _opened[directory][1]


app = make_app(_from_directory)
