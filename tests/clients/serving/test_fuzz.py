"""Nonsense over every route: always an answer below 500, and always JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients.serving.world import World, make_node, open_world, served, train, user

PATHS = (
    "/v1/recommendations",
    "/v1/events",
    "/v1/feedback",
    "/v1/users/{}/profile",
    "/v1/users/{}/summary?language={}",
    "/v1/items/{}/similar",
    "/v1/items/{}/similar?k={}",
    "/v1/users/{}",
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/{}",
)
METHODS = ("GET", "POST", "POST", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH")
WORDS = (
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "%00",
    "..%2f..%2fetc",
    "\u0455\u0456",
    "i3",
    "\n[isthmus] forged",
    "a" * 700,
    "-1",
    "NaN",
    "𝕏",
)
FIELDS = (
    "user", "k", "filters", "diversity", "explain", "text", "language", "events", "reactions",
    "item", "event", "kind", "time", "only", "without", "categories", "price_to", "attributes",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    serving = {"requests_per_second": 1e6, "burst": 1_000_000}
    home = make_node(tmp_path_factory.mktemp("fuzz"), serving=serving)
    train(home)
    return open_world(home)


@pytest.fixture(scope="module")
def http(world: World) -> Iterator[httpx.Client]:
    with served(world) as client:
        yield client


def value(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return draw.choice(WORDS)
    if kind == 1:
        return draw.choice([0, 1, -1, 5, 200, 201, 2**63, 1e308, 0.5])
    if kind == 2:
        return draw.choice([None, True, False, [], {}, "blurb", "explanation", "en"])
    if kind < 6:
        return draw.choice([user(draw.randrange(40)), "i3", "view", "shown", "tea"])
    if kind == 6:
        return [value(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {draw.choice(FIELDS): value(draw, depth + 1) for _ in range(draw.randrange(5))}


def sensible(draw: random.Random) -> dict[str, Any]:
    """A request that would be answered, with one field replaced or added."""
    who = user(draw.randrange(40))
    body: dict[str, Any] = draw.choice(
        [
            {"user": who, "k": 3},
            {"events": [{"user": who, "item": "i3"}]},
            {"reactions": [{"user": who, "item": "i3", "kind": "shown"}]},
        ]
    )
    return {**body, draw.choice(FIELDS): value(draw)}


def body_of(draw: random.Random) -> bytes:
    kind = draw.randrange(4)
    if kind == 0:
        return draw.randbytes(draw.randrange(40))
    text = json.dumps(value(draw) if kind == 1 else sensible(draw)).encode()
    return text[: draw.randrange(len(text) + 1)] if kind == 3 else text


def one(draw: random.Random, http: httpx.Client, world: World) -> tuple[int, str]:
    path = draw.choice(PATHS)
    while "{}" in path:
        path = path.replace("{}", draw.choice(["i3", "x", "%F0%9F%92%A9", "a%2Fb", "-1", "%ff"]), 1)
    headers = world.header(draw.choice(["serve", "feedback", "admin", "admin"]))
    if draw.random() < 0.1:
        headers = {"Authorization": draw.choice(["Bearer", "Bearer x_y_z", "Basic aa", "-"])}
    answer = http.request(draw.choice(METHODS), path, content=body_of(draw), headers=headers)
    return answer.status_code, answer.headers.get("content-type", "")


def hammer(http: httpx.Client, world: World, count: int, seed: int) -> set[int]:
    draw, statuses = random.Random(seed), set()
    for number in range(count):
        status, media = one(draw, http, world)
        statuses.add(status)
        assert status < 500, f"request {number} of seed {seed}"
        assert status < 400 or media == "application/problem+json"
    return statuses


def test_nonsense_gets_an_answer(world: World, http: httpx.Client) -> None:
    assert {200, 401, 404, 405, 422} <= hammer(http, world, 1000, seed=1)


@pytest.mark.slow
def test_a_hundred_thousand_pieces_of_nonsense_get_an_answer(
    world: World, http: httpx.Client
) -> None:
    assert {200, 401, 404, 405, 422} <= hammer(http, world, 100_000, seed=2)
