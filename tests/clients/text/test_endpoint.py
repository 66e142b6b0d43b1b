"""The endpoint: prompts go where they may, and only text comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from clients.text.config import EndpointConfig
from clients.text.endpoint import EndpointModel, check_address
from clients.text.errors import EndpointNotAllowedError, TextFailedError, TextTooLateError
from clients.text.model import Assignment
from clients.text.slots import sentences
from shared.errors import UnreadableConfigError
from tests.clients.text.facts_for_tests import BLURB

TASK = Assignment(facts=BLURB, place=0, slots=sentences(BLURB, "en")[0], language="en")
Handler = Callable[[httpx.Request], httpx.Response]


def model(handler: Handler, **config: str) -> EndpointModel:
    return EndpointModel(EndpointConfig(model="m", **config), httpx.MockTransport(handler))


def says(text: object) -> Handler:
    return lambda _: httpx.Response(200, json={"choices": [{"message": {"content": text}}]})


def test_the_answers_text_is_the_sentence() -> None:
    assert model(says("  Try “Trail Shoe”.\n")).sentence(TASK, 1.0) == "Try “Trail Shoe”."


def test_the_prompt_holds_the_facts_and_the_key_its_header(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return says("x")(request)

    key = tmp_path / "key"
    key.write_text("secret\n")
    model(handler, api_key_file=str(key)).sentence(TASK, 1.0)
    assert asked[0].url == "http://127.0.0.1:11434/v1/chat/completions"
    assert asked[0].headers["authorization"] == "Bearer secret"
    body = json.loads(asked[0].content)
    assert json.loads(body["messages"][1]["content"])["title"] == "Trail Shoe"
    assert body["model"] == "m"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://10.0.0.8/v1",
        "http://llm.internal/v1",
        "http://127.0.0.1.example.com/v1",
        "http://user:secret@127.0.0.1/v1",
        "ftp://127.0.0.1/v1",
        "/v1",
    ],
)
def test_prompts_go_nowhere_else(url: str) -> None:
    config = EndpointConfig(url=url, allowed_hosts=("llm.internal",))
    with pytest.raises(EndpointNotAllowedError) as caught:
        check_address(config)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://[::1]:1/v1", "https://llm.internal/v1"]
)
def test_this_machine_and_allowed_hosts_over_tls_are_fine(url: str) -> None:
    check_address(EndpointConfig(url=url, allowed_hosts=("LLM.internal",)))


@pytest.mark.parametrize(
    "handler",
    [
        says(None),
        says(3),
        lambda _: httpx.Response(200, json={"choices": []}),
        lambda _: httpx.Response(200, json=[1]),
        lambda _: httpx.Response(200, text="not json"),
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(302, headers={"location": "http://evil.example"}),
        lambda _: httpx.Response(200, text="x" * 70_000),
    ],
    ids=["none", "number", "no choice", "list", "no json", "500", "redirect", "long"],
)
def test_any_other_answer_is_a_failure(handler: Handler) -> None:
    with pytest.raises(TextFailedError):
        model(handler).sentence(TASK, 5.0)


def test_an_answer_that_drips_is_too_late() -> None:
    class Dripping(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b" "

    with pytest.raises(TextTooLateError):
        model(lambda _: httpx.Response(200, stream=Dripping())).sentence(TASK, 0.0)


def test_a_timeout_is_too_late() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    with pytest.raises(TextTooLateError):
        model(handler).sentence(TASK, 1.0)


def test_a_missing_key_file_is_named_without_its_content(tmp_path: Path) -> None:
    with pytest.raises(UnreadableConfigError, match="no such file"):
        model(says("x"), api_key_file=str(tmp_path / "none"))
