"""What monitoring may know of a node's part in federations: budget, messages, refusals, releases.

Nothing here is about a user, and all of it is from files that the node keeps anyway.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from clients.approvals import Approvals
from clients.budget import ledger_in
from clients.home import NodeHome
from clients.identity import load_identity
from clients.policy import read_policy
from clients.receipts import ReceiptLog
from clients.releases import ReleaseShelf
from shared.errors import IsthmusError
from shared.privacy.accounting import Cost, epsilon

logger = logging.getLogger(__name__)


class NodeCollector(Collector):
    """Metrics of one node, read when they are asked for.

    Parameters
    ----------
    home
        The node; one that has not joined a federation has no metrics.
    """

    def __init__(self, home: NodeHome) -> None:
        self._home = home

    def collect(self) -> Iterable[Metric]:
        """All metrics; names are documented in docs/operations.md."""
        if not self._home.policy.exists() or not self._home.identity.exists():
            return
        try:
            found, readable = list(self._federation()), 1.0
        except IsthmusError as error:  # monitoring must say so, not fall silent
            logger.warning("no federation metrics: %s", error)
            found, readable = [], 0.0
        yield GaugeMetricFamily(
            "isthmus_records_readable", "0 if ledger, receipts or plans are damaged.", readable
        )
        yield from found

    def _federation(self) -> Iterator[Metric]:
        yield from self._budget()
        yield from self._messages()
        states = Counter(known.state for known in Approvals(self._home.approvals).known())
        waiting = float(states["waiting"])
        yield GaugeMetricFamily("isthmus_plans_waiting", "Plans nobody decided on.", value=waiting)
        in_use = float(ReleaseShelf(self._home).current() is not None)
        yield GaugeMetricFamily("isthmus_release_in_use", "1 if a global model is.", value=in_use)

    def _budget(self) -> Iterator[Metric]:
        cap = read_policy(self._home).lifetime_epsilon
        spent = 0.0
        if self._home.ledger.exists():
            ledger = ledger_in(self._home)
            spent = _epsilon(ledger.history(), ledger.lifetime.delta)
        text = "User-level epsilon, add or remove one user, over all plans"
        yield GaugeMetricFamily("isthmus_epsilon_spent", f"{text}: charged.", value=spent)
        yield GaugeMetricFamily("isthmus_epsilon_left", f"{text}: left.", value=max(0, cap - spent))

    def _messages(self) -> Iterator[Metric]:
        log = ReceiptLog(self._home.receipts, load_identity(self._home.identity))
        sent = [entry for entry in log.entries() if entry["kind"] == "sent"]
        sizes, refusals = Counter[str](), Counter[str]()
        for entry in sent:
            sizes[entry["stage"]] += entry["bytes"]
            if entry["refusal"]:
                refusals[entry["refusal"]] += 1
        bytes_sent = CounterMetricFamily(
            "isthmus_bytes_sent", "Payload bytes that left this node.", labels=["stage"]
        )
        for stage, size in sorted(sizes.items()):
            bytes_sent.add_metric([stage], size)
        refused = CounterMetricFamily(
            "isthmus_refusals", "Messages answered with a code alone.", labels=["code"]
        )
        for code, count in sorted(refusals.items()):
            refused.add_metric([code], count)
        yield CounterMetricFamily("isthmus_messages_sent", "Messages sent.", value=len(sent))
        yield from (bytes_sent, refused)


def exposition(home: NodeHome) -> str:
    """The metrics of a node in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(home))
    return generate_latest(registry).decode()


@lru_cache(maxsize=8)
def _epsilon(history: tuple[Cost, ...], delta: float) -> float:
    """Epsilon of a history; monitoring asks again and again for the same one."""
    return epsilon(history, delta)
