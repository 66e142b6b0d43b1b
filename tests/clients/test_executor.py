"""What a coordinator ships is hashed and thrown away; what comes back is a code, never a text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest.mock import Mock

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.fab import Fab
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.start_client_internal import _pull_and_store_message

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


def test_a_message_that_is_gone_before_it_has_come_in_full_is_given_up(
    executor: NodeExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the coordinator was killed while the SuperNode fetched it."""

    def gone(_client: object) -> None:
        raise ObjectPullError("00" * 32, "the object could not be found.")

    monkeypatch.setattr("clients.executor.pull_task_input", gone)
    monkeypatch.setattr("clients.executor.HeartbeatSender", Mock())
    executor._run("token")
    assert "a message is gone" in caplog.text


@pytest.mark.parametrize("problem", [ObjectPullError("00" * 32, "gone"), RunNotRunningException()])
def test_flower_gives_up_the_task_of_a_message_without_parts_but_not_that_of_a_run_that_is_over(
    problem: BaseException,
) -> None:
    """Why the edge says that there is no such part, see `server.edge`."""

    def pull(_run: int, _part: str) -> bytes:
        raise problem

    state, store, message = Mock(), Mock(), _message("train.start")
    store.preregister.return_value = ["00" * 32]
    told = Mock(return_value=None)
    _pull_and_store_message(
        state=state,
        object_store=store,
        node_config={},
        receive=lambda: (message, Mock()),
        get_run=told,
        get_fab=told,
        pull_object=pull,
        confirm_message_received=told,
        trusted_entities=None,
    )
    given_up = isinstance(problem, ObjectPullError)
    assert state.create_task.called
    assert state.finish_task.called == state.delete_messages.called == given_up
