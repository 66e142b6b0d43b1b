"""From a partner's position: admitted partners, with their own key, the Fleet API; no more."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding
from flwr.proto.fleet_pb2 import PullMessagesResponse
from flwr.proto.message_pb2 import ConfirmMessageReceivedResponse, Message, PullObjectResponse

from clients.home import NodeHome
from clients.network_home import NetworkHome
from server.authority import create_authority, issue_client_certificate
from server.edge import CONFIRM, FLEET, LONGEST_PAUSE, PULL, PULL_OBJECT, Edge, Register
from server.edge_server import configuration
from server.enrolment import revoke
from server.home import CoordinatorHome
from server.partners import read_partners
from server.settings import read_settings
from shared.credentials import load_transport_key, public_pem
from tests.network import admitted_node, client_context, coordinator, serving

MAX_BYTES = 100_000


@dataclass
class World:
    home: CoordinatorHome
    node: NodeHome
    port: int
    status: int = 200
    seen: list[httpx.Request] = field(default_factory=list)

    def client(self, node: NodeHome | None) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://localhost:{self.port}", verify=client_context(self.home, node)
        )

    def headers(self) -> dict[str, str]:
        key = load_transport_key(NetworkHome.of(self.node).key).public_key()
        return {"flwr-public-key": base64.b64encode(public_pem(key)).decode()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    home = coordinator(tmp_path)
    world = World(home, admitted_node(home, tmp_path, "shop"), read_settings(home).edge.port)

    def link(request: httpx.Request) -> httpx.Response:
        world.seen.append(request)
        return httpx.Response(world.status, content=b"pong", headers={"set-cookie": "x"})

    upstream = httpx.AsyncClient(base_url="https://link", transport=httpx.MockTransport(link))
    edge = Edge(Register(home), upstream, max_bytes=MAX_BYTES, seconds=0.5)
    with serving(uvicorn.Server(configuration(edge, home, read_settings(home)))):
        yield world


def test_every_fleet_call_and_health_pass(world: World) -> None:
    with world.client(world.node) as client:
        for path in sorted(FLEET):
            answer = client.post(path, content=b"ping", headers=world.headers())
            assert (answer.status_code, answer.content) == (200, b"pong")
            assert "set-cookie" not in answer.headers
        assert client.get("/health").status_code == 200
    assert [r.content for r in world.seen[:-1]] == [b"ping"] * len(FLEET)


def test_a_message_of_a_run_that_is_over_can_be_confirmed_and_has_no_parts(world: World) -> None:
    """Else Flower's SuperNode keeps its answer and sends every later one a message late, or leaves
    its executor waiting for parts that never come."""
    world.status = 403
    with world.client(world.node) as client:
        answers = {p: client.post(p, content=b"ping", headers=world.headers()) for p in FLEET}
    answered = {path for path, answer in answers.items() if answer.status_code == 200}
    assert answered == {CONFIRM, PULL_OBJECT}
    assert ConfirmMessageReceivedResponse.FromString(answers[CONFIRM].content).ByteSize() == 0
    assert not PullObjectResponse.FromString(answers[PULL_OBJECT].content).object_found


def test_a_partner_that_is_out_is_refused_all_the_same(world: World) -> None:
    world.status = 403
    revoke(world.home, "shop")
    with world.client(world.node) as client:
        for call in (CONFIRM, PULL_OBJECT):
            assert client.post(call, headers=world.headers()).status_code == 403
    assert not world.seen


@pytest.mark.parametrize(
    "path",
    [
        "/v1/control/start-run",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/fleet/",
        "/v1/fleet/../control/start-run",
        "/v1/fleet/%2e%2e/control/start-run",
        "/v1/fleet/get-run?x=1",
        "/v1/fleet//get-run",
        "/V1/fleet/get-run",
        "/docs",
        "/openapi.json",
        "/",
    ],
)
def test_everything_else_is_403(world: World, path: str) -> None:
    for method in ("POST", "GET", "PUT", "OPTIONS"):
        request = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n".encode()
        headers = "".join(f"{k}: {v}\r\n" for k, v in world.headers().items()).encode()
        assert _raw(world, request + headers + b"\r\n").startswith(b"HTTP/1.1 403")
    assert not world.seen


def test_no_certificate_no_connection(world: World) -> None:
    with world.client(None) as client, pytest.raises(httpx.TransportError):
        client.get("/health")


def test_a_certificate_of_another_authority_is_refused(world: World, tmp_path: Path) -> None:
    other = coordinator(tmp_path / "other")
    stranger = admitted_node(other, tmp_path / "other", "shop")
    with world.client(stranger) as client, pytest.raises(httpx.TransportError):
        client.get("/health")


def test_an_expired_certificate_is_refused(world: World) -> None:
    _replace_certificate(world, days=0)
    with world.client(world.node) as client, pytest.raises(httpx.TransportError):
        client.get("/health")


def test_a_certificate_that_nobody_registered_is_refused(world: World) -> None:
    _replace_certificate(world, days=1)
    with world.client(world.node) as client:
        assert client.get("/health").status_code == 403


def test_a_revocation_holds_at_once_on_open_connections(world: World) -> None:
    with world.client(world.node) as client:
        assert client.get("/health").status_code == 200
        revoke(world.home, "shop")
        assert client.get("/health").status_code == 403


def test_a_stolen_certificate_cannot_speak_with_another_nodes_key(
    world: World, tmp_path: Path
) -> None:
    bank = admitted_node(world.home, tmp_path, "bank")
    with world.client(bank) as client:
        answer = client.post("/v1/fleet/pull-messages", headers=world.headers())
        assert answer.status_code == 403
        assert client.post("/v1/fleet/pull-messages").status_code == 403
    assert not world.seen


def test_two_keys_in_one_request_are_refused(world: World) -> None:
    ((name, value),) = world.headers().items()
    head = f"POST /v1/fleet/get-run HTTP/1.1\r\nhost: x\r\n{name}: {value}\r\n{name}: {value}\r\n"
    assert _raw(world, f"{head}content-length: 0\r\n\r\n".encode()).startswith(b"HTTP/1.1 403")


def test_a_request_that_is_too_large_is_not_passed_on(world: World) -> None:
    with world.client(world.node) as client:
        answer = client.post(
            "/v1/fleet/push-object", content=b"x" * (MAX_BYTES + 1), headers=world.headers()
        )
    assert answer.status_code == 413
    assert not world.seen


def test_dripping_bytes_are_cut_off(world: World) -> None:
    ((name, value),) = world.headers().items()
    head = f"POST /v1/fleet/push-object HTTP/1.1\r\nhost: x\r\n{name}: {value}\r\n"
    assert _raw(world, f"{head}content-length: 10\r\n\r\nabc".encode()).startswith(b"HTTP/1.1 408")
    assert not world.seen


def test_an_upload_cut_half_way_is_not_passed_on(world: World) -> None:
    ((name, value),) = world.headers().items()
    head = f"POST /v1/fleet/push-object HTTP/1.1\r\nhost: x\r\n{name}: {value}\r\n"
    with _connect(world) as connection:
        connection.sendall(f"{head}content-length: 10\r\n\r\nabc".encode())
    with world.client(world.node) as client:
        assert client.get("/health").status_code == 200
    assert [r.url.path for r in world.seen] == ["/health"]


def test_a_silent_superlink_is_503(world: World, tmp_path: Path) -> None:
    home = coordinator(tmp_path / "b")
    node = admitted_node(home, tmp_path / "b", "shop")
    link = httpx.AsyncClient(base_url="http://127.0.0.1:9")
    edge = Edge(Register(home), link, max_bytes=10, seconds=1.0)
    port = read_settings(home).edge.port
    server = uvicorn.Server(configuration(edge, home, read_settings(home)))
    with serving(server), httpx.Client(verify=client_context(home, node)) as client:
        assert client.get(f"https://localhost:{port}/health").status_code == 503


@dataclass
class Slow:
    """An edge that keeps questions open, before a SuperLink whose messages come late."""

    home: CoordinatorHome
    node: NodeHome
    empty: int
    meanwhile: Callable[[], object] = lambda: None
    asked: int = 0

    def answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.meanwhile()
        messages = [Message()] if self.asked > self.empty else []
        content = PullMessagesResponse(messages_list=messages).SerializeToString()
        return httpx.Response(200, content=content)

    @contextmanager
    def serving(self, wait: float) -> Iterator[httpx.Client]:
        link = httpx.AsyncClient(
            base_url="https://link", transport=httpx.MockTransport(self.answer)
        )
        edge = Edge(Register(self.home), link, max_bytes=MAX_BYTES, seconds=5.0, wait=wait)
        settings = read_settings(self.home)
        key = load_transport_key(NetworkHome.of(self.node).key).public_key()
        named = {"flwr-public-key": base64.b64encode(public_pem(key)).decode()}
        base = f"https://localhost:{settings.edge.port}"
        context = client_context(self.home, self.node)
        with (
            serving(uvicorn.Server(configuration(edge, self.home, settings))),
            httpx.Client(base_url=base, verify=context, headers=named, timeout=30) as client,
        ):
            yield client


@pytest.fixture
def slow(tmp_path: Path) -> Slow:
    home = coordinator(tmp_path)
    return Slow(home, admitted_node(home, tmp_path, "shop"), empty=3)


def test_a_question_for_messages_stays_open_until_there_is_one(slow: Slow) -> None:
    with slow.serving(wait=20) as client:
        answer = PullMessagesResponse.FromString(client.post(PULL).content)
    assert (len(answer.messages_list), slow.asked) == (1, 4)


def test_a_question_does_not_stay_open_for_ever(slow: Slow) -> None:
    slow.empty = 1_000
    with slow.serving(wait=0.3) as client:
        answer = client.post(PULL)
    assert answer.status_code == 200
    assert not PullMessagesResponse.FromString(answer.content).messages_list


def test_a_partner_that_is_revoked_while_its_question_is_open_gets_no_message(slow: Slow) -> None:
    slow.meanwhile = lambda: revoke(slow.home, "shop")
    with slow.serving(wait=20) as client:
        assert client.post(PULL).status_code == 403
    assert slow.asked == 1


def test_nobody_asks_on_for_a_partner_that_went_away(slow: Slow) -> None:
    """Else its message would be taken from the SuperLink and handed to nobody."""
    slow.empty = 1_000
    with slow.serving(wait=20) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(PULL, timeout=0.5)
        for _ in range(10):
            asked = slow.asked
            time.sleep(2 * LONGEST_PAUSE)
            if slow.asked == asked:
                return
    pytest.fail("the SuperLink is still asked")


def test_an_authority_may_not_be_a_subordinate_one(tmp_path: Path) -> None:
    home = CoordinatorHome(tmp_path / "c")
    create_authority(home, "x")
    from cryptography import x509

    root = x509.load_pem_x509_certificate(home.authority.read_bytes())
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def _replace_certificate(world: World, days: int) -> None:
    network = NetworkHome.of(world.node)
    key = load_transport_key(network.key).public_key()
    certificate = issue_client_certificate(world.home, "shop", key, days)
    serials = [c.serial for c in read_partners(world.home).find("shop").certificates]
    assert f"{certificate.serial_number:x}" not in serials
    network.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))


def _connect(world: World) -> ssl.SSLSocket:
    raw = socket.create_connection(("localhost", world.port))
    return client_context(world.home, world.node).wrap_socket(raw, server_hostname="localhost")


def _raw(world: World, request: bytes) -> bytes:
    with _connect(world) as connection:
        connection.sendall(request)
        return connection.recv(1000)
