"""`make e2e`: coordinator and three nodes as processes, TLS and client certificates, real data.

`tests.end_to_end.world` says what runs. In network namespaces it is also proven that no process
called anybody outside.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from benchmarks.report import Row, goal, write_report
from clients.budget import ledger_in
from clients.home import NodeHome
from clients.network_home import NetworkHome
from server.releases import checkpoints_of
from server.settings import read_settings
from shared.app_bundle import bundle_hash
from shared.optimiser import ServerState
from shared.wire import MASK
from simulations.namespaces import HUB_ADDRESS
from tests.end_to_end.world import CHARGED, NAMES, ROUNDS, STEPS, World
from tests.network import client_context

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

BUDGET_SECONDS = 360.0
TASK = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]).SerializeToString()
HEADERS = {"content-type": PROTOBUF_MEDIA_TYPE, "accept": PROTOBUF_MEDIA_TYPE}


def _node_names() -> list[Any]:
    return [pytest.param(name, id=name) for name in NAMES]


def test_all_rounds_end_with_all_partners(world: World) -> None:
    assert world.state["state"] == "finished", world.state["problem"]
    done = [r for r in world.rounds if r["survivors"]]
    assert [(r["round"], r["survivors"]) for r in done] == [(i, [1, 2, 3]) for i in STEPS]
    _report(world)


@pytest.mark.parametrize("name", _node_names())
def test_each_node_computed_the_coordinators_model_and_paid_for_each_round(
    world: World, name: str
) -> None:
    kept = world.kept(name)
    newest = checkpoints_of(world.deployment.coordinator, world.plan.run_id).newest()
    assert newest is not None
    assert kept.round == newest[0] == ROUNDS
    assert kept.state.flat().tobytes() == newest[1].flat().tobytes()
    assert world.charges(name) == CHARGED
    assert 0 < ledger_in(world.deployment.node(name)).spent() <= 8.0


@pytest.mark.parametrize("name", _node_names())
def test_both_models_were_trained(world: World, name: str) -> None:
    plan = world.plan
    assert plan.models == ("behaviour", "content")
    before = plan.split(ServerState.start(plan).model)
    for first, last in zip(before, plan.split(world.kept(name).state.model), strict=True):
        assert first.tobytes() != last.tobytes()


@pytest.mark.parametrize("name", _node_names())
def test_each_node_recommends_over_http_from_its_own_catalogue(world: World, name: str) -> None:
    served, files = world.served[name], world.data.platforms[name]
    assert served.facts["release"] == world.state["run_id"]
    body = {"user": files.user, "k": 10}
    answer = _ask(world, name, "/v1/recommendations", body)
    assert answer["fallback"] is None
    items = [entry["item"] for entry in answer["items"]]
    assert len(set(items)) == 10
    assert set(items) <= {row.split(",")[0] for row in files.items.read_text().splitlines()[1:]}


@pytest.mark.parametrize("name", _node_names())
def test_receipts_hold_and_have_every_message_that_the_coordinator_received(
    world: World, name: str, tmp_path: Path
) -> None:
    deployment = world.deployment
    deployment.call(name, "isthmus-node", "receipts", "--export", str(tmp_path / "log.jsonl"))
    plan = world.plan
    (key,) = [p.identity for p in plan.partners if p.name == name]
    events = deployment.coordinator.run(plan.run_id) / "journal" / "events.jsonl"
    command = ["tools/verify_receipts.py", str(tmp_path / "log.jsonl"), "--node", key]
    done = subprocess.run(
        [sys.executable, *command, "--coordinator", str(events)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    own = [line for line in lines if line.get("run") == plan.run_id]
    masked = [line for line in own if line["stage"] == MASK]
    assert [line["round"] for line in masked] == STEPS
    epsilons = [line["epsilon"] for line in masked]
    assert epsilons == sorted(set(epsilons))
    assert [line.get("stage") for line in lines].count("articles.export") == 1


@pytest.mark.parametrize("name", _node_names())
def test_what_the_coordinator_shipped_was_never_unpacked(world: World, name: str) -> None:
    flower = NetworkHome.of(world.deployment.node(name)).flower
    assert not list(flower.rglob("*.py"))
    assert len(bundle_hash()) == 64


def test_no_process_called_anybody_outside(world: World) -> None:
    if world.machines is None:
        pytest.skip("this machine does not permit network namespaces")
    parties = ["coordinator", *NAMES]
    assert {p: world.machines.calls_outside(p) for p in parties} == dict.fromkeys(parties, 0)
    code = "import socket; s = socket.socket(); s.connect_ex(('192.0.2.1', 443))"
    world.machines.run("drama", code)
    assert world.machines.calls_outside("drama") == 1, "the proof would not notice a call"


def test_a_partner_can_neither_start_a_run_nor_steal_a_task(world: World) -> None:
    """From a partner's machine, with a partner's certificate, through the only door there is."""
    edge = (
        f"https://{world.deployment.host}:{read_settings(world.deployment.coordinator).edge.port}"
    )
    paths = (
        "/v1/control/start-run",
        "/v1/control/stop-run",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/runtime/push-messages",
        "/openapi.json",
    )
    for path in paths:
        assert _post(world, world.deployment.node("action"), edge + path) == 403


def test_without_the_secret_nobody_gets_a_task_even_on_loopback(world: World) -> None:
    port = read_settings(world.deployment.coordinator).link.port
    url = f"https://127.0.0.1:{port}/v1/runtime/acquire-task"
    assert _post(world, None, url, party="coordinator") == 401


def test_the_superlink_listens_on_loopback_only(world: World) -> None:
    if world.machines is None:
        pytest.skip("this machine does not permit network namespaces")
    port = read_settings(world.deployment.coordinator).link.port
    code = f"import socket; print(socket.socket().connect_ex(('{HUB_ADDRESS}', {port})))"
    assert world.machines.run("action", code).strip() == "111"  # refused


def _ask(world: World, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a node's service to a request from the node's own machine."""
    served = world.served[name]
    headers = {"authorization": f"Bearer {served.key}"}
    code = (
        "import httpx\n"
        f"answer = httpx.post({served.address + path!r}, json={body!r}, headers={headers!r})\n"
        "print(answer.raise_for_status().text)\n"
    )
    if world.machines is not None:
        text = world.machines.run(name, code)
    else:
        text = httpx.post(served.address + path, json=body, headers=headers).text
    answer: dict[str, Any] = json.loads(text)
    return answer


def _post(world: World, node: NodeHome | None, url: str, party: str = "action") -> int:
    """Status of a POST from a party's machine, with the node's certificate if one is given."""
    if world.machines is None:
        context = client_context(world.deployment.coordinator, node)
        return httpx.post(url, verify=context, content=TASK, headers=HEADERS).status_code
    network = NetworkHome.of(node) if node else None
    load = (
        f"c.load_cert_chain({str(network.certificate)!r}, {str(network.key)!r})" if network else ""
    )
    code = (
        "import ssl, httpx\n"
        f"c = ssl.create_default_context(cafile={str(world.deployment.coordinator.authority)!r})\n"
        f"{load}\n"
        f"print(httpx.post({url!r}, verify=c, content={TASK!r}, headers={HEADERS!r}).status_code)\n"
    )
    return int(world.machines.run(party, code))


def _report(world: World) -> Path:
    rows: list[Row] = [
        {
            "what": "round",
            "namespaces": world.machines is not None,
            **{k: r[k] for k in ("round", "attempt", "seconds", "bytes_up", "bytes_down")},
        }
        for r in world.rounds
    ]
    goals = [
        goal("seconds from nothing to three services that recommend", world.seconds, BUDGET_SECONDS)
    ]
    return write_report("e2e", rows, goals)
