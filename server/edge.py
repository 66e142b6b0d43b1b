"""The one door that partners see: TLS with client certificates, Flower's Fleet API, nothing else.

Flower 1.41 serves its Fleet, Control and Runtime APIs on one port, and whoever reaches that port
can start runs and steal tasks. So the SuperLink listens on loopback and this edge stands in front:
it wants a certificate of the federation's authority, looks every request up in the register of
partners (so a revocation holds at once, on open connections too), and lets a partner speak only
with the key that its certificate was issued for. Requests are taken in whole, bounded in size and
time, before anything is passed on.

Flower's SuperNode asks for messages and, told that there are none, sleeps three seconds: in each
stage of a round. So the edge keeps the question open for a while and asks the SuperLink again
itself; the node has its message a moment after the coordinator sent it. A node that has gone away
in the meantime is asked about no more, or its message would be handed to nobody.

A SuperNode that has fetched a message and is then told that the message's run is over (as happens
when the coordinator was killed in between and went on in a new run) gives up on it and keeps the
answer that its executor makes all the same. From then on it sends each answer one message late, so
every stage waits in vain for it. So the edge lets it confirm such a message: the SuperNode then
waits for the answer, learns that the run is over when it sends it, and is in step.

A SuperNode that is told so while it fetches the parts of a message (a list of articles has many)
leaves a task behind that lacks them, and the executor, which has begun with it, waits for hours. So
the edge says instead that there is no such part: the SuperNode then gives the task up as well.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import PullMessagesResponse
from flwr.proto.message_pb2 import ConfirmMessageReceivedResponse, PullObjectResponse
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage

from server.home import CoordinatorHome
from server.partners import AdmittedPartner, PartnersFile, read_partners
from shared.credentials import public_pem

FLEET: Final = frozenset(
    f"/v1/fleet/{call}"
    for call in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
"""What a SuperNode calls; registration is the operator's, so it is not among them."""
HEALTH: Final = "/health"
PULL: Final = "/v1/fleet/pull-messages"
CONFIRM: Final = "/v1/fleet/confirm-message-received"
PULL_OBJECT: Final = "/v1/fleet/pull-object"
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
KEY_HEADER: Final = b"flwr-public-key"
_DROPPED: Final = frozenset((b"host", b"connection", b"transfer-encoding", b"content-length"))
_RETURNED: Final = frozenset((b"content-type",))

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Request = tuple[str, str, list[tuple[bytes, bytes]], bytes]
"""Method, path, headers and body."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, headers and body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


FORBIDDEN: Final = Answer(403, body=b"forbidden\n")
TOO_LARGE: Final = Answer(413, body=b"too large\n")
TOO_SLOW: Final = Answer(408, body=b"too slow\n")
UNAVAILABLE: Final = Answer(503, body=b"unavailable\n")


def _protobuf(message: ProtobufMessage) -> Answer:
    media = ((b"content-type", PROTOBUF_MEDIA_TYPE.encode()),)
    return Answer(200, headers=media, body=message.SerializeToString())


OVER: Final[Mapping[str, Answer]] = {
    CONFIRM: _protobuf(ConfirmMessageReceivedResponse()),
    PULL_OBJECT: _protobuf(PullObjectResponse(object_found=False)),
}
"""Calls that a SuperNode cannot bear to hear 403 of, and what it hears when their run is over."""


class Register:
    """The register of partners, read again whenever the file has changed."""

    def __init__(self, home: CoordinatorHome) -> None:
        self._home = home
        self._seen: tuple[int, int] | None = None
        self._file = PartnersFile()

    def partner(self, certificate: x509.Certificate) -> AdmittedPartner | None:
        """The partner that holds `certificate`, unless it is expired, unknown or withdrawn."""
        now = datetime.now(UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return None
        return self._partners().admitted(f"{certificate.serial_number:x}")

    def _partners(self) -> PartnersFile:
        path = self._home.partners
        stat = path.stat() if path.exists() else None
        seen = (stat.st_mtime_ns, stat.st_ino) if stat else None
        if seen != self._seen:
            self._file, self._seen = read_partners(self._home), seen
        return self._file


class Edge:
    """ASGI application that passes admitted partners' Fleet calls to the SuperLink.

    Parameters
    ----------
    register
        Who may pass.
    link
        Client whose base URL is the SuperLink.
    max_bytes
        Largest request.
    seconds
        Time in which a request must have arrived in full.
    wait
        Seconds for which a question for messages is kept open when there are none.
    """

    def __init__(
        self,
        register: Register,
        link: httpx.AsyncClient,
        *,
        max_bytes: int,
        seconds: float,
        wait: float = 0.0,
    ) -> None:
        self._register, self._link = register, link
        self._max_bytes, self._seconds, self._wait = max_bytes, seconds, wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # no web sockets, no lifespan
            return
        answer = await self._answer(scope, receive)
        if answer in (FORBIDDEN, TOO_SLOW, TOO_LARGE):
            logger.warning("refused: %d %s", answer.status, _shown(scope))
        length = (b"content-length", str(len(answer.body)).encode())
        headers = [*answer.headers, length]
        if answer.status in (408, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        call, certificate = _permitted(scope), _certificate(scope)
        if call is None or certificate is None or self._register.partner(certificate) is None:
            return FORBIDDEN
        if call != HEALTH and not _speaks_with_its_key(scope, certificate):
            return FORBIDDEN
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._body(receive)
        except TimeoutError:
            return TOO_SLOW
        if body is None:
            return TOO_LARGE
        request = (scope["method"], call, _forwarded(scope), body)
        if call == PULL and self._wait:
            return await self._pull(request, certificate, receive)
        answer = await self._forward(*request)
        return OVER.get(call, answer) if answer.status == 403 else answer

    async def _pull(
        self, request: Request, certificate: x509.Certificate, receive: Receive
    ) -> Answer:
        """Ask until there is a message, time is up, or the partner has gone or is out."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._wait, FIRST_PAUSE
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            while True:
                answer = await self._forward(*request)
                if not _nothing_yet(answer) or loop.time() + pause > end:
                    return answer
                await asyncio.wait({gone}, timeout=pause)
                if gone.done() or self._register.partner(certificate) is None:
                    return FORBIDDEN
                pause = min(LONGEST_PAUSE, 1.5 * pause)
        finally:
            gone.cancel()

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole request body; None if it is larger than allowed."""
        body = bytearray()
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise TimeoutError
            body += event.get("body", b"")
            if len(body) > self._max_bytes:
                return None
            if not event.get("more_body", False):
                return bytes(body)

    async def _forward(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> Answer:
        try:
            response = await self._link.request(method, path, headers=headers, content=body)
        except httpx.HTTPError as error:
            logger.warning("the SuperLink does not answer: %s", type(error).__name__)
            return UNAVAILABLE
        passed = ((k.lower(), v) for k, v in response.headers.raw)
        kept = tuple((k, v) for k, v in passed if k in _RETURNED or k.startswith(b"flwr-"))
        return Answer(response.status_code, kept, response.content)


async def _disconnected(receive: Receive) -> None:
    """Return when the other side has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _nothing_yet(answer: Answer) -> bool:
    """Whether the SuperLink says that there is no message for this node."""
    if answer.status != 200:
        return False
    try:
        return not PullMessagesResponse.FromString(answer.body).messages_list
    except DecodeError:
        return False


def _permitted(scope: Scope) -> str | None:
    """The path of a call that may pass, byte for byte as it was sent; None for all others."""
    raw: str = scope.get("raw_path", b"").decode("latin-1")
    if scope.get("query_string") or raw != scope["path"]:
        return None
    if scope["method"] == "POST" and raw in FLEET:
        return raw
    return HEALTH if scope["method"] == "GET" and raw == HEALTH else None


def _certificate(scope: Scope) -> x509.Certificate | None:
    der = scope.get("state", {}).get("certificate")
    return x509.load_der_x509_certificate(der) if der else None


def _speaks_with_its_key(scope: Scope, certificate: x509.Certificate) -> bool:
    """Flower signs with a key that it names in a header: it must be the certificate's."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    named = [value for name, value in scope["headers"] if name == KEY_HEADER]
    return named == [base64.b64encode(public_pem(key))]


def _forwarded(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in scope["headers"] if name not in _DROPPED]


def _shown(scope: Scope) -> str:
    """Method and path for the log, without control characters and bounded."""
    return repr(f"{scope['method']} {scope['path'][:80]}")
