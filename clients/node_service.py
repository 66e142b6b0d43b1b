"""`isthmus-node start`: connector, SuperNode and executor, kept running; all outbound."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cryptography import x509

from clients.clock import ClockError, check_clock
from clients.connector import Connector, Route
from clients.enrolment import read_invitation
from clients.federation_config import FederationConfig
from clients.home import NodeHome
from clients.loopback import create_loopback_certificate
from clients.network_home import NetworkHome
from clients.policy import NotJoinedError
from clients.presence import sign_off
from shared.credentials import load_transport_key, openssh_private
from shared.errors import FederationError
from shared.files import write_atomically, write_json
from shared.processes import Child, ChildSpec, program

TICK_SECONDS = 0.5
SAY_EVERY_SECONDS = 5.0
CLOCK_AGAIN_SECONDS = 30.0
logger = logging.getLogger(__name__)


class NodeRunningError(FederationError):
    """Another process serves this node: two nodes with one identity would disturb each other."""

    code = "FED-116"
    default_remedy = "stop the other one first"


class NodeService:
    """Takes part in the federation until it is stopped.

    Parameters
    ----------
    home
        The node.
    config
        The section ``[federation]`` of its configuration.
    executor
        Module that answers messages; another one only to measure something else in its place.
    """

    def __init__(
        self, home: NodeHome, config: FederationConfig, executor: str = "clients.executor"
    ) -> None:
        self._home, self._network = home, NetworkHome.of(home)
        if not self._network.certificate.exists():
            raise NotJoinedError("this node has no certificate", where=str(self._network.root))
        self._connector_port = config.connector_port or _free_port()
        runtime_port = config.runtime_port or _free_port()
        self._prepare()
        self._supernode = Child(self._supernode_spec(runtime_port))
        self._executor = Child(self._executor_spec(executor, runtime_port, config))
        self._stopping = threading.Event()
        self._said = self._clock_next = 0.0

    def run(self) -> None:
        """Work until a signal arrives.

        Raises
        ------
        NodeRunningError
        """
        with _alone(self._home):
            for sign in (signal.SIGTERM, signal.SIGINT):
                signal.signal(sign, self._on_signal)
            self._start_connector()
            certificate = self._certificate()
            try:
                while not self._stopping.is_set():
                    if self._certificate() != certificate:
                        certificate = self._certificate()
                        self._renew()
                    self._tick()
                    self._stopping.wait(TICK_SECONDS)
            finally:
                self._executor.stop()
                self._supernode.stop()
                self._network.status.unlink(missing_ok=True)

    def _tick(self) -> None:
        self._executor.check()
        if self._supernode.due() and self._clock_is_right():
            sign_off(self._network, self._connector_port)
            self._supernode.check()
        if time.monotonic() - self._said > SAY_EVERY_SECONDS:
            self._said = time.monotonic()
            write_json(self._network.status, self._status())

    def _clock_is_right(self) -> bool:
        """Whether the coordinator would believe our signatures; says so now and then if not."""
        if time.monotonic() < self._clock_next:
            return False
        try:
            check_clock(self._network, self._connector_port)
        except ClockError as error:
            logger.error("%s", error)
            self._clock_next = time.monotonic() + CLOCK_AGAIN_SECONDS
            return False
        return True

    def _status(self) -> dict[str, object]:
        expires = x509.load_pem_x509_certificate(self._certificate()).not_valid_after_utc
        return {
            "pid": os.getpid(),
            "time": time.time(),
            "supernode": self._supernode.pid,
            "executor": self._executor.pid,
            "certificate_expires": expires.isoformat(),
        }

    def _prepare(self) -> None:
        """Keys and secrets in the forms that Flower reads, readable by the owner alone."""
        network = self._network
        create_loopback_certificate(network)
        key = load_transport_key(network.key)
        write_atomically(network.flower_key, openssh_private(key), private=True)
        secret = secrets.token_hex(32).encode()
        write_atomically(network.executor_secret, secret, private=True)

    def _renew(self) -> None:
        logger.info("a new certificate: the SuperNode starts again with its key")
        key = load_transport_key(self._network.key)
        write_atomically(self._network.flower_key, openssh_private(key), private=True)
        self._network.node_id.unlink(missing_ok=True)  # another key is another node for Flower
        self._supernode.stop()

    def _certificate(self) -> bytes:
        return self._network.certificate.read_bytes()

    def _start_connector(self) -> None:
        host, _, port = read_invitation(self._home).address.rpartition(":")
        network = self._network
        route = Route(
            port=self._connector_port,
            host=host.strip("[]"),
            remote_port=int(port),
            authority=network.authority,
            certificate=network.certificate,
            key=network.key,
            local_certificate=network.local_certificate,
            local_key=network.local_key,
        )
        connector = Connector(route)
        threading.Thread(
            target=lambda: asyncio.run(connector.serve()), name="connector", daemon=True
        ).start()

    def _supernode_spec(self, runtime_port: int) -> ChildSpec:
        network = self._network
        options = {
            "--superlink": f"127.0.0.1:{self._connector_port}",
            "--root-certificates": str(network.local_certificate.resolve()),
            "--auth-supernode-private-key": str(network.flower_key.resolve()),
            "--isolation": "process",
            "--superexec-auth-secret-file": str(network.executor_secret.resolve()),
            "--host": "127.0.0.1",
            "--port": str(runtime_port),
        }
        arguments = [part for option in options.items() for part in option]
        return ChildSpec(
            name="SuperNode",
            command=[program("flower-supernode"), *arguments],
            log=network.log,
            environment={"FLWR_HOME": str(network.flower.resolve())},
            delays=(1.0, 5.0, 15.0),  # Flower turns a node away that it still believes online
        )

    def _executor_spec(self, module: str, runtime_port: int, config: FederationConfig) -> ChildSpec:
        command = [
            sys.executable,
            "-m",
            module,
            "--home",
            str(self._home.root.resolve()),
        ]
        command += ["--port", str(runtime_port), "--trace", config.trace_endpoint]
        command += ["--allow", *config.allowed_bundles]
        return ChildSpec(
            name="executor",
            command=command,
            log=self._network.root / "executor.log",
            environment={"FLWR_HOME": str(self._network.flower.resolve())},
            delays=(0.5, 1.0, 5.0),
        )

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()


@contextmanager
def _alone(home: NodeHome) -> Iterator[None]:
    """Hold the directory's lock; the kernel releases it when the process is gone."""
    with (NetworkHome.of(home).root / "service.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NodeRunningError("this node is running", where=str(home.root)) from error
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
