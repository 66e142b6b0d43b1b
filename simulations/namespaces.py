"""Network namespaces: each party on a machine of its own, with a wire to the others and no way out.

Linux counts in each namespace how often a process tried to reach an address to which there is no
route. Parties that only talk to each other leave that counter at zero: proof that no dependency
calls anybody.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from simulations.deployment import Place

HUB_ADDRESS: Final = "10.77.0.1"
_COUNTERS: Final = ("IpOutNoRoutes", "Ip6OutNoRoutes")


@dataclass(frozen=True, slots=True)
class Machines:
    """Namespaces by party; the first party is the hub that all others can reach."""

    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def places(self) -> dict[str, Place]:
        """Where each party's processes run."""
        return {
            party: Place(prefix=("ip", "netns", "exec", name)) for party, name in self.names.items()
        }

    def calls_outside(self, party: str) -> int:
        """How often a process of this party tried an address that it cannot reach."""
        command = [*self.places[party].prefix, "cat", "/proc/net/snmp", "/proc/net/snmp6"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        counters = _counters(text)
        return sum(counters[name] for name in _COUNTERS)

    def wire_bytes(self, party: str) -> tuple[int, int]:
        """Bytes that a node's wire has carried so far: to the node, from the node."""
        command = [*self.places[party].prefix, "cat", "/proc/net/dev"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        line = next(line for line in text.splitlines() if line.strip().startswith("eth0:"))
        columns = line.partition(":")[2].split()
        return int(columns[0]), int(columns[8])

    def run(self, party: str, code: str) -> str:
        """Run a line of Python on a party's machine; returns what it printed."""
        command = [*self.places[party].prefix, sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


def permitted() -> bool:
    """Whether this process may make network namespaces (root on Linux, mostly)."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    try:
        with machines(["probe"]):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def machines(parties: Sequence[str]) -> Iterator[Machines]:
    """One namespace for each party, wired to the first; all are removed at the end."""
    names = {party: f"isthmus-{os.getpid()}-{place}" for place, party in enumerate(parties)}
    hub, *others = names.values()
    try:
        for name in names.values():
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", hub, "link", "add", "wire", "type", "bridge")
        _ip("-n", hub, "addr", "add", f"{HUB_ADDRESS}/24", "dev", "wire")
        _ip("-n", hub, "link", "set", "wire", "up")
        for place, name in enumerate(others, start=2):
            _connect(hub, name, place)
        yield Machines(names)
    finally:
        for name in names.values():
            if Path("/run/netns", name).exists():
                _ip("netns", "delete", name)


def _connect(hub: str, name: str, place: int) -> None:
    port = f"port{place}"
    _ip("-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("-n", hub, "link", "set", port, "master", "wire", "up")
    _ip("-n", name, "addr", "add", f"10.77.0.{place}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S603, S607


def _counters(text: str) -> dict[str, int]:
    """Counters of /proc/net/snmp (two lines a protocol) and snmp6 (one line each)."""
    lines = text.splitlines()
    found: dict[str, int] = {}
    for names, values in pairwise(lines):
        protocol, _, rest = names.partition(": ")
        if rest and values.startswith(f"{protocol}: ") and not rest.split()[0].isdigit():
            numbers = values.partition(": ")[2].split()
            pairs = zip(rest.split(), numbers, strict=True)
            found.update({protocol + name: int(number) for name, number in pairs})
    for line in lines:
        parts = line.split()
        if len(parts) == 2 and parts[0].startswith("Ip6"):
            found[parts[0]] = int(parts[1])
    return found
