"""What a node's app answers and logs when it refuses a message."""

from __future__ import annotations

import logging

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from clients.app import _answer
from clients.articles import ArticlesNeededError
from clients.global_model import ModelNeededError
from clients.policy import PolicyRefusalError
from clients.rounds import NodeRounds
from shared.errors import IsthmusError
from shared.wire import START


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ModelNeededError("the model of round 2"), logging.INFO),
        (ArticlesNeededError("the list"), logging.INFO),
        (PolicyRefusalError("too much epsilon"), logging.WARNING),
    ],
)
def test_asking_for_what_is_missing_is_no_warning_and_a_refusal_is(
    error: IsthmusError, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    def resolve(_context: Context) -> NodeRounds:
        raise error

    TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
    message = Message(RecordDict(), dst_node_id=1, message_type=START)
    context = Context(0, 1, {}, RecordDict(), {})
    with caplog.at_level(logging.INFO, logger="clients.app"):
        answer = _answer(resolve, START, message, context)
    assert answer.error.reason == error.code
    assert [record.levelno for record in caplog.records] == [level]
