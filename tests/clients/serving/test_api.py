"""The HTTP interface: roles, answers, fallbacks, refusals; never a 5xx, nothing of a user told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.bundle import load_bundle
from clients.bundle_shelf import BundleShelf
from clients.data.store import NodeStore
from shared.keyfile import load_identity
from tests.clients.serving.world import (
    ITEMS,
    LENGTH,
    World,
    make_node,
    open_world,
    served,
    train,
    user,
)
from tests.clients.small_node import KINDS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = make_node(tmp_path_factory.mktemp("world"))
    train(home)
    return open_world(home)


@pytest.fixture(scope="module")
def http(world: World) -> Iterator[httpx.Client]:
    with served(world) as client:
        yield client


def recommend(http: httpx.Client, world: World, **body: Any) -> dict[str, Any]:
    answer = http.post("/v1/recommendations", json=body, headers=world.header("serve"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [place["item"] for place in answer["items"]]


ROUTES = [
    ("POST", "/v1/recommendations", "serve", {"user": "u"}),
    ("POST", "/v1/events", "feedback", {"events": [{"user": "u", "item": "i1"}]}),
    (
        "POST",
        "/v1/feedback",
        "feedback",
        {"reactions": [{"user": "u", "item": "i1", "kind": "shown"}]},
    ),
    ("GET", "/v1/users/u/profile", "serve", None),
    ("GET", "/v1/users/u/summary", "serve", None),
    ("GET", "/v1/items/i1/similar", "serve", None),
    ("DELETE", "/v1/users/u", "admin", None),
    ("POST", "/v1/model/swap", "admin", None),
]


@pytest.mark.parametrize(("method", "path", "role", "body"), ROUTES)
def test_each_route_wants_a_key_of_its_role(
    world: World, http: httpx.Client, method: str, path: str, role: str, body: object
) -> None:
    def status(headers: dict[str, str]) -> int:
        return http.request(method, path, json=body, headers=headers).status_code

    assert status({}) == 401
    assert status({"Authorization": "Basic abc"}) == 401
    assert status({"Authorization": "Bearer isthmus_serve-0_wrong"}) == 401
    others = {"serve", "feedback"} - {role}
    assert [status(world.header(other)) for other in others] == [403] * len(others)
    assert status(world.header(role)) == 200
    assert status(world.header("admin")) == 200


def test_a_list_holds_nothing_seen_and_its_scores_are_sums_of_parts(
    world: World, http: httpx.Client
) -> None:
    answer = recommend(http, world, user=user(1), k=5)
    seen = {f"i{(7 + n) % ITEMS}" for n in range(LENGTH)}
    assert answer["fallback"] is None
    assert len(answer["items"]) == 5
    assert not seen & set(ids(answer))
    for place in answer["items"]:
        total = sum(place["parts"].values()) + sum(place["adjustments"].values())
        assert place["score"] == pytest.approx(total, abs=1e-4)


def test_reasons_add_up_to_the_score_and_name_past_items(world: World, http: httpx.Client) -> None:
    answer = recommend(http, world, user=user(2), k=3, explain=True)
    seen = {f"i{(14 + n) % ITEMS}" for n in range(LENGTH)}
    for place in answer["items"]:
        reasons = place["reasons"]
        assert reasons["total"] == pytest.approx(place["score"], abs=1e-4)
        assert {past["item"] for past in reasons["past_items"]} <= seen
        assert reasons["sentence"]


def test_a_text_is_written_for_each_item(world: World, http: httpx.Client) -> None:
    answer = recommend(http, world, user=user(2), k=2, text="blurb")
    assert all(place["text"]["source"] == "template" for place in answer["items"])
    assert all(place["text"]["text"] for place in answer["items"])


@pytest.mark.parametrize(("k", "status"), [(3, 200), (3.0, 200), (3.5, 422), ("3", 422)])
def test_an_integer_is_one_however_json_spells_it(
    world: World, http: httpx.Client, k: object, status: int
) -> None:
    body = {"user": user(2), "k": k}
    answer = http.post("/v1/recommendations", json=body, headers=world.header("serve"))
    assert answer.status_code == status


def test_a_blank_id_is_refused_in_paths_as_in_bodies(world: World, http: httpx.Client) -> None:
    answer = http.get("/v1/users/%C2%A0/profile", headers=world.header("serve"))
    assert (answer.status_code, answer.json()["code"]) == (422, "SRV-115")


def test_filters_hold(world: World, http: httpx.Client) -> None:
    answer = recommend(
        http, world, user=user(3), filters={"categories": ["cup"], "without": ["i2"]}
    )
    assert answer["items"]
    assert all("cup" in place["title"] for place in answer["items"])
    assert "i2" not in ids(answer)
    assert answer["filtered"]["categories"] > 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"user": "somebody new"}, "new_user"),
        ({"user": user(4), "k": 200}, "all_seen"),
        ({"user": user(4), "filters": {"only": []}}, "nothing_fits"),
        ({"user": user(4), "filters": {"only": ["a deleted item"]}}, "nothing_fits"),
        ({"user": "' OR 1=1 --<script>\u0455"}, "new_user"),
    ],
)
def test_what_the_model_cannot_say_is_an_explained_fallback(
    world: World, http: httpx.Client, body: dict[str, Any], reason: str
) -> None:
    answer = recommend(http, world, **body)
    assert answer["fallback"] == reason
    assert answer["note"]


def test_an_event_counts_at_once_and_after_a_restart(world: World, http: httpx.Client) -> None:
    someone = "somebody who just came"
    sent = {"events": [{"user": someone, "item": "i3"}, {"user": someone, "item": "no such"}]}
    answer = http.post("/v1/events", json=sent, headers=world.header("feedback"))
    assert answer.json() == {"kept": 2, "known_items": 1}
    after = recommend(http, world, user=someone)
    assert after["fallback"] is None
    assert "i3" not in ids(after)
    pseudonym = world.service.store.pseudonym(someone)
    assert pseudonym in NodeStore(world.home).load()[1].users


def test_a_dislike_removes_and_an_exposure_tires(world: World, http: httpx.Client) -> None:
    first = recommend(http, world, user=user(5), k=3)
    bad, shown, _ = ids(first)
    reactions = [
        {"user": user(5), "item": bad, "kind": "disliked"},
        {"user": user(5), "item": shown, "kind": "shown"},
    ]
    http.post("/v1/feedback", json={"reactions": reactions}, headers=world.header("feedback"))
    second = recommend(http, world, user=user(5), k=10)
    assert bad not in ids(second)
    tired = [p["adjustments"] for p in second["items"] if p["item"] == shown]
    assert all(adjustments["fatigue"] < 0 for adjustments in tired)


def test_a_profile_and_similar_items(world: World, http: httpx.Client) -> None:
    path = "/v1/users/user-6@example.org/profile"
    found = http.get(path, headers=world.header("serve")).json()
    assert found["events"] == LENGTH
    assert found["interests"]
    similar = http.get("/v1/items/i0/similar?k=4", headers=world.header("serve")).json()
    assert similar["by_text"]
    assert [one["item"] for one in similar["items"]].count("i0") == 0
    missing = http.get("/v1/items/nothing/similar", headers=world.header("serve"))
    assert (missing.status_code, missing.json()["code"]) == (404, "SRV-116")


def test_interests_in_words_come_sentence_by_sentence(world: World, http: httpx.Client) -> None:
    path = f"/v1/users/{user(6)}/summary"
    with http.stream("GET", path, headers=world.header("serve")) as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert {line["source"] for line in lines} == {"template"}
    assert any(kind in lines[0]["text"] for kind in KINDS)
    chinese = http.get(f"{path}?language=zh", headers=world.header("serve")).text
    assert "\u60a8" in json.loads(chinese.splitlines()[0])["text"]
    assert http.get("/v1/users/nobody/summary", headers=world.header("serve")).text == ""


def test_an_erased_user_is_unknown_everywhere(world: World, http: httpx.Client) -> None:
    gone = user(7)
    path = f"/v1/users/{gone}"
    assert http.delete(path, headers=world.header("admin")).json() == {"erased": True}
    assert recommend(http, world, user=gone)["fallback"] == "new_user"
    assert http.get(f"{path}/profile", headers=world.header("serve")).json()["events"] == 0
    event = {"events": [{"user": gone, "item": "i1"}]}
    http.post("/v1/events", json=event, headers=world.header("feedback"))
    assert recommend(http, world, user=gone)["fallback"] == "new_user"
    assert world.service.store.pseudonym(gone) not in NodeStore(world.home).load()[1].users


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"user": ""}',
        b'{"user": 5}',
        b'{"user": "u", "k": "5"}',
        b'{"user": "u", "k": 0}',
        b'{"user": "u", "k": 1e9}',
        b'{"user": "u", "surprise": 1}',
        b'{"user": "u", "filters": {"price_to": NaN}}',
        b'{"user": " \\t"}',
        b'{"user": "u", "diversity": 2}',
        b'{"user": "\xff\xfe"}',
        json.dumps({"user": "a" * 600}).encode(),
    ],
)
def test_a_request_that_does_not_fit_is_a_problem_that_repeats_nothing(
    world: World, http: httpx.Client, body: bytes
) -> None:
    answer = http.post("/v1/recommendations", content=body, headers=world.header("serve"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"].startswith("SRV-")
    assert "a" * 50 not in answer.text


def test_a_filter_by_a_column_that_items_do_not_have_is_a_conflict(
    world: World, http: httpx.Client
) -> None:
    body = {"user": "u", "filters": {"attributes": {"no such column": ["x"]}}}
    answer = http.post("/v1/recommendations", json=body, headers=world.header("serve"))
    assert (answer.status_code, answer.json()["code"]) == (409, "SRV-201")


def test_an_id_of_ten_megabytes_is_not_read(world: World, http: httpx.Client) -> None:
    body = json.dumps({"user": "a" * 10_000_000})
    answer = http.post("/v1/recommendations", content=body, headers=world.header("serve"))
    assert (answer.status_code, answer.json()["code"]) == (413, "SRV-114")

    def pieces() -> Iterator[bytes]:
        yield from (b"a" * 65536 for _ in range(160))

    answer = http.post("/v1/recommendations", content=pieces(), headers=world.header("serve"))
    assert answer.status_code == 413


def test_paths_and_methods_that_are_not_there(world: World, http: httpx.Client) -> None:
    assert http.get("/v2/nothing").json()["code"] == "SRV-117"
    answer = http.get("/v1/recommendations")
    assert (answer.status_code, answer.json()["code"]) == (405, "SRV-123")
    assert answer.headers["allow"] == "POST"


def test_headers_forbid_what_a_browser_could_do(http: httpx.Client) -> None:
    headers = http.get("/health").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert len(headers["x-request-id"]) == 16


def test_logs_hold_no_ids_and_no_keys(
    world: World, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "planted\nline-canary"
    with caplog.at_level(logging.DEBUG):
        recommend(http, world, user=secret)
        http.get(f"/v1/users/{user(8)}/profile", headers=world.header("serve"))
        http.get("/v1/items/canary/similar", headers=world.header("serve"))
        http.post("/v1/recommendations", headers={"Authorization": "Bearer isthmus_x_canary"})
    told = "\n".join(r.getMessage() for r in caplog.records if r.name == "isthmus.serving")
    assert told.count("\n") == 3
    assert "canary" not in told
    assert "user-8" not in told
    assert not any(key in told for key in world.keys.values())
    assert json.loads(told.splitlines()[1])["route"] == "/v1/users/{user}/profile"


def test_metrics_count_requests_and_fallbacks(world: World, http: httpx.Client) -> None:
    recommend(http, world, user="nobody at all")
    page = http.get("/metrics", headers=world.header("serve")).text
    assert 'isthmus_lists_total{fallback="new_user"}' in page
    assert 'route="/v1/recommendations"' in page
    assert http.get("/metrics").status_code == 401


@pytest.mark.parametrize("wrong", ["corrupt", "foreign", "missing"])
def test_a_model_that_cannot_be_served_leaves_the_former_one(
    world: World, http: httpx.Client, wrong: str
) -> None:
    shelf = BundleShelf(world.home.models)
    good = shelf.current
    signer = load_identity(world.home.identity)
    bundle = load_bundle(good, signer.public_key(), world.service.engine.adviser.catalogue)
    created = "2031-01-01T00:00:00+00:00"
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"created": created}))
    key = Ed25519PrivateKey.generate() if wrong == "foreign" else signer
    bad = shelf.publish(other, key)
    if wrong == "corrupt":
        (bad / "parts.safetensors").write_bytes(b"damaged")
    if wrong == "missing":
        (bad / "manifest.json").unlink()
    before = recommend(http, world, user=user(9))
    answer = http.post("/v1/model/swap", headers=world.header("admin"))
    assert answer.status_code == 503
    code = {"corrupt": "SRV-102", "foreign": "SRV-101", "missing": "SRV-100"}[wrong]
    assert answer.json()["code"] == code
    assert recommend(http, world, user=user(9)) == before
    shelf.choose(good.name)
    for file in bad.glob("*"):
        file.unlink()
    bad.rmdir()
    assert http.post("/v1/model/swap", headers=world.header("admin")).status_code == 200


def test_without_a_model_there_are_explained_lists(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    bare = open_world(make_node(tmp_path_factory.mktemp("bare")))
    with served(bare) as client:
        assert client.get("/health").json()["problem"] == "SRV-100"
        assert client.get("/ready").status_code == 503
        assert recommend(client, bare, user=user(1))["fallback"] == "no_model"
        train(bare.home)
        assert client.post("/v1/model/swap", headers=bare.header("admin")).status_code == 200
        assert client.get("/ready").status_code == 200
        assert recommend(client, bare, user=user(1))["fallback"] is None


def test_a_large_catalogue_is_served_from_an_index_with_the_same_lists(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    serving = {"index_from": ITEMS, "candidates": 100}
    homes = [
        make_node(tmp_path_factory.mktemp(n), serving=s) for n, s in (("i", serving), ("e", {}))
    ]
    answers = []
    for home in homes:
        train(home)
        one = open_world(home)
        with served(one) as client:
            answers.append(recommend(client, one, user=user(3), k=6, explain=True))
    indexed, exact = answers
    assert ids(indexed) == ids(exact)
    for place in indexed["items"]:
        total = sum(place["parts"].values()) + sum(place["adjustments"].values())
        assert place["score"] == pytest.approx(total, abs=1e-4)
        assert place["reasons"]["total"] == pytest.approx(place["score"], abs=1e-4)


def test_a_key_that_asks_too_often_is_told_to_wait(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    serving = {"requests_per_second": 0.001, "burst": 2}
    slow = open_world(make_node(tmp_path_factory.mktemp("slow"), serving=serving))
    with served(slow) as client:
        statuses = [
            client.get("/v1/items/i1/similar", headers=slow.header("serve")).status_code
            for _ in range(3)
        ]
        assert statuses == [200, 200, 429]
        assert client.get("/v1/items/i1/similar", headers=slow.header("admin")).status_code == 200
