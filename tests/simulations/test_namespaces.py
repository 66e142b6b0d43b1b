"""The counters by which calls to the outside are proven not to have happened."""

from __future__ import annotations

from simulations.deployment import fingerprint_in
from simulations.namespaces import _counters

SNMP = """\
Ip: Forwarding DefaultTTL OutNoRoutes
Ip: 1 64 3
Tcp: RtoAlgorithm ActiveOpens
Tcp: 1 7
Ip6InReceives                   \t0
Ip6OutNoRoutes                  \t2
"""


def test_counters_of_both_protocol_versions_are_read() -> None:
    found = _counters(SNMP)
    assert (found["IpOutNoRoutes"], found["Ip6OutNoRoutes"], found["TcpActiveOpens"]) == (3, 2, 7)


def test_a_fingerprint_is_found_in_what_a_command_prints() -> None:
    told = "0A1B " * 7 + "2C3D"
    assert fingerprint_in(f"Read this out to them by telephone: {told}\n") == told
