"""What a coordinator ships is hashed and thrown away; what comes back is a code, never a text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.fab import Fab
from flwr.supercore.task_identity import TaskIdentity

from clients.executor import ExecutorTerms, NodeExecutor
from clients.home import NodeHome
from clients.network_home import NetworkHome
from shared.app_bundle import bundle, bundle_hash

GOOD = Fab("", bundle(), {})


@pytest.fixture
def seen() -> list[Context]:
    return []


@pytest.fixture
def executor(tmp_path: Path, seen: list[Context]) -> NodeExecutor:
    TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
    home = NodeHome(tmp_path)
    secret = NetworkHome.of(home).executor_secret
    secret.parent.mkdir()
    secret.write_text("ab" * 32)
    app = ClientApp()

    @app.train("start")
    def start(message: Message, context: Context) -> Message:
        seen.append(context)
        return Message(RecordDict(), reply_to=message)

    @app.train("fail")
    def fail(message: Message, context: Context) -> Message:
        raise KeyError("user-4711")

    terms = ExecutorTerms(home=home, port=1, allowed=frozenset({bundle_hash()}))
    return NodeExecutor(terms, app)


def _message(stage: str) -> Message:
    return Message(RecordDict({"x": ConfigRecord()}), dst_node_id=1, message_type=stage)


def _context() -> Context:
    return Context(1, 1, {"node-dir": "/etc"}, RecordDict(), {"node-dir": "/etc", "run-dir": "/"})


def test_the_installed_app_answers_in_the_nodes_own_directory(
    executor: NodeExecutor, seen: list[Context], tmp_path: Path
) -> None:
    reply = executor.answer(_message("train.start"), _context(), GOOD)
    assert not reply.has_error()
    assert seen[0].node_config == {"node-dir": str(tmp_path)}
    assert seen[0].run_config == {}


def test_another_bundle_is_refused_and_never_unpacked(
    executor: NodeExecutor, seen: list[Context], tmp_path: Path
) -> None:
    reply = executor.answer(_message("train.start"), _context(), Fab("", b"PK\x03\x04evil", {}))
    assert (reply.error.code, reply.error.reason) == (7, "FED-115")
    assert not seen
    assert {p.name for p in tmp_path.rglob("*")} == {"network", "executor.secret"}


def test_the_hash_that_the_coordinator_states_does_not_count(executor: NodeExecutor) -> None:
    reply = executor.answer(_message("train.start"), _context(), Fab(bundle_hash(), b"evil", {}))
    assert reply.error.reason == "FED-115"


def test_a_bundle_of_the_allow_list_is_accepted(executor: NodeExecutor) -> None:
    other = b"another release"
    terms = executor._terms
    allowed = frozenset({hashlib.sha256(other).hexdigest()})
    executor._terms = ExecutorTerms(home=terms.home, port=1, allowed=allowed)
    assert not executor.answer(_message("train.start"), _context(), Fab("", other, {})).has_error()


@pytest.mark.parametrize("stage", ["train.fail", "train.unknown", "evaluate"])
def test_no_text_of_an_exception_travels(executor: NodeExecutor, stage: str) -> None:
    reply = executor.answer(_message(stage), _context(), GOOD)
    assert reply.error.reason == "FED-099"
