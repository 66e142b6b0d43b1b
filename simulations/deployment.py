"""A whole federation as separate processes on one machine: the real commands, the real network.

For end-to-end tests, fault injection and measurements. Everything is done as people would do it:
`isthmus-coordinator` and `isthmus-node` are called, files are handed over, fingerprints compared.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clients.home import NodeHome
from clients.policy import read_policy, write_policy
from server.home import CoordinatorHome
from server.releases import card_path
from shared.errors import LabError
from shared.files import read_json
from shared.processes import QUIET, die_with_parent, program
from simulations.deployed_data import PlatformFiles

START_SECONDS: Final = 120.0
_ADDRESS: Final = re.compile(r"serving on (http://\S+)")
_FINGERPRINT: Final = re.compile(r"((?:[0-9A-F]{4} ){7}[0-9A-F]{4})")


class DeploymentError(LabError):
    """A command of the deployment failed, or something did not happen in time."""

    code = "FED-117"
    default_remedy = "see the logs in the deployment's directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a process runs: the prefix of its command, and the address of the edge."""

    prefix: tuple[str, ...] = ()
    """For example ``("ip", "netns", "exec", "name")``."""


@dataclass(slots=True)
class Deployment:
    """A coordinator and its nodes below one directory.

    Attributes
    ----------
    root
        Directory of everything.
    host
        Name or address under which nodes reach the edge.
    places
        Where each party runs (``"coordinator"`` or a node's name); empty means here.
    """

    root: Path
    host: str = "localhost"
    places: Mapping[str, Place] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def coordinator(self) -> CoordinatorHome:
        """The coordinator's directory."""
        return CoordinatorHome(self.root / "coordinator")

    def node(self, name: str) -> NodeHome:
        """A node's directory."""
        return NodeHome(self.root / name)

    def create(self, platforms: Mapping[str, PlatformFiles], by_hand: Collection[str] = ()) -> None:
        """Make coordinator and nodes, ingest the platforms' files, let them join and pin.

        Parameters
        ----------
        platforms
            Their files, by their names.
        by_hand
            Nodes at which a person approves plans, see `approve_plan`; the others' policies do.
        """
        address = f"{self.host}:{free_port()}"
        self.coordinate("init", "--address", address, "--link-port", str(free_port()))
        for name, files in platforms.items():
            sources = ("--events", str(files.events), "--items", str(files.items))
            self.call(name, "isthmus-node", "init", "--yes", "--name", name, *sources)
            if files.public_id:
                _map_public_ids(self.node(name), files.public_id)
            self.call(name, "isthmus-node", "ingest")
        keys = {name: self._join(name, files.declared) for name, files in platforms.items()}
        for name in platforms:
            if name not in by_hand:
                self.call(name, "isthmus-node", "approve", "--by-policy")
            for other, key in keys.items():
                if other != name:
                    self.call(name, "isthmus-node", "pin", other, key)
        sharing = [name for name, files in platforms.items() if files.public_id]
        if sharing:
            self._compare_articles(sharing)

    def coordinate(self, *arguments: str) -> str:
        """Call `isthmus-coordinator` with these arguments; returns its output."""
        return self.call("coordinator", "isthmus-coordinator", *arguments)

    def call(self, party: str, script: str, *arguments: str) -> str:
        """Call a command for a party's directory.

        Raises
        ------
        DeploymentError
        """
        command = [program(script), *arguments, "--home", str(self.root / party)]
        done = subprocess.run(  # noqa: S603 (our own arguments)
            command, capture_output=True, text=True, check=False, env=environment()
        )
        if done.returncode:
            raise DeploymentError(done.stderr.strip()[-2000:], where=" ".join(command[:3]))
        return done.stdout

    def start(self, party: str, *arguments: str) -> None:
        """Start the service of a party: the coordinator's, or a node's."""
        script = "isthmus-coordinator" if party == "coordinator" else "isthmus-node"
        self.launch(party, program(script), "start", "--home", str(self.root / party), *arguments)

    def serve(self, name: str, seconds: float = START_SECONDS) -> str:
        """Start the recommendation service of a node; returns its address on that node's machine.

        Raises
        ------
        DeploymentError
        """
        service = f"{name}-serve"
        command = ["serve", "--port", "0", "--home", str(self.root / name)]
        self.launch(name, program("isthmus-node"), *command, service=service)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = _ADDRESS.search((self.root / f"{service}.log").read_text())
            if found:
                return found.group(1)
            time.sleep(0.2)
        raise DeploymentError("the service does not listen", where=name)

    def promote(self, run_id: str) -> Path:
        """Release the model of a finished run; returns the card."""
        self.coordinate("releases", "promote", run_id)
        return card_path(self.coordinator, run_id)

    def launch(self, party: str, *arguments: str, service: str = "") -> None:
        """Start any command as a party's service, where that party runs."""
        command = [*self.places.get(party, Place()).prefix, *arguments]
        with (self.root / f"{service or party}.log").open("ab") as log:
            self.processes[service or party] = subprocess.Popen(  # noqa: S603
                command,
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def approve_plan(self, name: str, seconds: float) -> str:
        """Approve at a node, as a person would, the plan that waits there; returns its digest.

        Raises
        ------
        DeploymentError
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            plans = json.loads(self.call(name, "isthmus-node", "plan", "--json"))
            waiting = [str(p["digest"]) for p in plans if p["state"] == "waiting"]
            if waiting:
                self.call(name, "isthmus-node", "approve", waiting[0])
                return waiting[0]
            time.sleep(1.0)
        raise DeploymentError("no plan has arrived", where=name)

    def kill(self, party: str) -> None:
        """SIGKILL a party's service; its children die with it."""
        process = self.processes.pop(party)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything politely, nodes first."""
        for party in sorted(self.processes, key=lambda p: p == "coordinator"):
            self.processes[party].terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes.clear()

    def status(self) -> dict[str, Any]:
        """What `isthmus-coordinator status` says."""
        status: dict[str, Any] = json.loads(self.coordinate("status", "--json"))
        return status

    def rounds(self) -> list[dict[str, Any]]:
        """What `isthmus-coordinator rounds` says."""
        rounds: list[dict[str, Any]] = json.loads(self.coordinate("rounds", "--json"))
        return rounds

    def run_state(self) -> dict[str, Any]:
        """State of the current run, read from its file; empty before there is one."""
        if not self.coordinator.current.exists():
            return {"state": ""}
        run_id = read_json(self.coordinator.current)["run_id"]
        state: dict[str, Any] = read_json(self.coordinator.run(run_id) / "state.json")
        return state

    def wait_for_end(self, seconds: float) -> dict[str, Any]:
        """Wait until the current run has finished or failed; returns its state.

        Raises
        ------
        DeploymentError
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.run_state()
            if state["state"] in ("finished", "failed"):
                return state
            time.sleep(0.5)
        raise DeploymentError(f"the run did not end within {seconds:.0f} s", where=str(self.root))

    def _join(self, name: str, declared: int) -> str:
        """Join under `name`; returns the identity key that others pin."""
        told = fingerprint_in(self.coordinate("invite", name))
        documents = self.coordinator.documents
        invitation = str(documents / f"{name}.invitation.json")
        users = ("--declared-users", str(declared))
        output = self.call(name, "isthmus-node", "join", invitation, "--fingerprint", told, *users)
        request = str(self.node(name).root / "network" / "request.json")
        self.coordinate("approve", request, "--fingerprint", fingerprint_in(output))
        self.call(name, "isthmus-node", "join", str(documents / f"{name}.admission.json"))
        return output.strip().rpartition(" ")[2]

    def _compare_articles(self, names: Sequence[str]) -> None:
        """Let nodes allow statistics and hand their lists to the coordinator, under one key."""
        lists = []
        for name in names:
            home = self.node(name)
            write_policy(home, read_policy(home).model_copy(update={"allow_statistics": True}))
            handed = [] if name == names[0] else [str(self.node(names[0]).article_key)]
            self.call(name, "isthmus-node", "articles", "key", *handed)
            lists.append(str(self.root / f"{name}.articles.json"))
            self.call(name, "isthmus-node", "articles", "export", lists[-1])
        self.coordinate("articles", *lists)


def _map_public_ids(home: NodeHome, column: str) -> None:
    """Name the column of public ids in `node.toml`, as people do with an editor."""
    text = home.config.read_text(encoding="utf-8")
    text += f'\n[data.items.extra]\npublic_id = "{column}"\n'
    home.config.write_text(text, encoding="utf-8")


def fingerprint_in(text: str) -> str:
    """The fingerprint that a command printed.

    Raises
    ------
    DeploymentError
    """
    found = _FINGERPRINT.search(text)
    if found is None:
        raise DeploymentError("no fingerprint was printed")
    return found.group(1)


def environment(extra: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The environment of all processes: quiet, one thread each."""
    threads = {"OMP_NUM_THREADS": "1", "ISTHMUS_THREADS": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **QUIET, **threads, "PATH": path, **dict(extra)}


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
