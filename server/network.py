"""The coordinator's processes: SuperLink, executor and, in this process, the edge."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path
from typing import Final

from server.edge_server import edge_server
from server.home import CoordinatorHome
from server.link_client import LinkClient, LinkError
from server.partners import read_partners
from server.settings import read_settings
from shared.errors import FederationError
from shared.processes import Child, ChildSpec, program

START_SECONDS: Final = 90.0
EDGE_STOP_SECONDS: Final = 5.0
logger = logging.getLogger(__name__)


class LinkStartError(FederationError):
    """The SuperLink or the edge did not come up."""

    code = "FED-113"
    default_remedy = "see link/superlink.log in the coordinator's directory; is the port free?"


class CoordinatorNetwork:
    """Starts, watches and ends the coordinator's processes.

    Parameters
    ----------
    home
        The coordinator.
    executor
        Module that works on tasks; another one only to measure something else in its place.
    """

    def __init__(self, home: CoordinatorHome, executor: str = "server.executor") -> None:
        self._home, self._settings = home, read_settings(home)
        environment = {"FLWR_HOME": str(home.link.resolve())}
        self._link = Child(
            ChildSpec(
                name="SuperLink",
                command=_link_command(home, self._settings.link.port),
                log=home.link / "superlink.log",
                environment=environment,
            )
        )
        self._executor = Child(
            ChildSpec(
                name="executor",
                command=[sys.executable, "-m", executor, str(home.root.resolve())],
                log=home.link / "executor.log",
                environment=environment,
                delays=(0.5, 1.0, 5.0),
            )
        )
        self._edge = edge_server(home)
        self._thread = threading.Thread(target=self._edge.run, name="edge", daemon=True)
        self.client = LinkClient(home, self._settings)

    @property
    def executor_starts(self) -> int:
        """How often the executor was started: a new one knows nothing of an earlier task."""
        return self._executor.starts

    @property
    def pids(self) -> dict[str, int | None]:
        """Process ids of the children."""
        return {"superlink": self._link.pid, "executor": self._executor.pid}

    def start(self) -> None:
        """Start everything and wait until the SuperLink answers.

        Raises
        ------
        LinkStartError
        """
        self._link.start()
        self._executor.start()
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > end or self._link.pid is None:
                raise LinkStartError("the SuperLink does not answer", where=str(self._home.link))
            time.sleep(0.3)
        self._thread.start()
        while not self._edge.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise LinkStartError("the edge cannot listen", where=self._settings.address)
            time.sleep(0.05)

    def check(self) -> None:
        """Start again what has ended.

        Raises
        ------
        LinkStartError
            The edge has ended, and with it the reason for this process.
        """
        self._link.check()
        self._executor.check()
        if not self._thread.is_alive():
            raise LinkStartError("the edge has ended", where=self._settings.address)

    def admit(self) -> None:
        """Let exactly the active partners' keys connect.

        Raises
        ------
        LinkError
        """
        self.client.admit(
            {
                certificate.transport.encode(): partner.name
                for partner in read_partners(self._home).active()
                for certificate in partner.certificates
            }
        )

    def stop(self) -> None:
        """End everything."""
        self.client.close()
        self._edge.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=EDGE_STOP_SECONDS)
        self._executor.stop()
        self._link.stop()

    def _answers(self) -> bool:
        try:
            self.client.nodes()
        except LinkError:
            return False
        return True


def _link_command(home: CoordinatorHome, port: int) -> list[str]:
    options: dict[str, str | Path | int] = {
        "--host": "127.0.0.1",
        "--port": port,
        "--database": home.database.resolve(),
        "--isolation": "process",
        "--superexec-auth-secret-file": home.executor_secret.resolve(),
        "--ssl-ca-certfile": home.authority.resolve(),
        "--ssl-certfile": home.server_certificate.resolve(),
        "--ssl-keyfile": home.server_key.resolve(),
    }
    arguments = [str(part) for option in options.items() for part in option]
    flags = ["--enable-supernode-auth", "--disable-runtime-dependency-installation"]
    return [program("flower-superlink"), *arguments, *flags]
