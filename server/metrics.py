"""What monitoring may know of a coordinator: counts, times, bytes and codes from its own files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.app import load_plan
from server.home import CoordinatorHome
from server.run_state import read_current
from server.views import rounds_view, status_view
from shared.start import session_policy


class CoordinatorCollector(Collector):
    """Metrics of one coordinator, read when they are asked for.

    Parameters
    ----------
    home
        The coordinator.
    """

    def __init__(self, home: CoordinatorHome) -> None:
        self._home = home

    def collect(self) -> Iterable[Metric]:
        """All metrics; names are documented in docs/operations.md."""
        view = status_view(self._home)
        yield _gauge("isthmus_service_up", "1 while the service runs.", float(view["running"]))
        yield from _partners(view["partners"])
        current = read_current(self._home)
        if current is not None:
            yield from self._run(current.run_id, view["run"])

    def _run(self, run_id: str, run: dict[str, Any]) -> Iterator[Metric]:
        plan, _ = load_plan(self._home.run(run_id))
        floor = session_policy(plan).survivor_floor
        yield _gauge("isthmus_run_round", "Rounds done.", run["round"])
        yield _gauge("isthmus_run_rounds", "Rounds in the plan.", run["rounds"])
        yield _gauge(
            "isthmus_run_failed", "1 if the run waits for resume.", run["state"] == "failed"
        )
        yield _gauge("isthmus_cohort_threshold", "Fewest survivors that a sum needs.", floor)
        if plan.privacy is not None:
            help_text = "User-level epsilon that the whole plan costs each partner."
            yield _gauge("isthmus_plan_epsilon", help_text, plan.privacy.epsilon)
        yield from _rounds(rounds_view(self._home, run_id))


def serve_metrics(home: CoordinatorHome, port: int) -> None:
    """Answer ``GET /metrics`` on 127.0.0.1:`port` from a thread of this process."""
    registry = CollectorRegistry()
    registry.register(CoordinatorCollector(home))
    start_http_server(port, addr="127.0.0.1", registry=registry)


def _partners(partners: list[dict[str, Any]]) -> Iterator[Metric]:
    active = [p for p in partners if not p["revoked"]]
    yield _gauge("isthmus_partners", "Partners admitted and not revoked.", len(active))
    online = GaugeMetricFamily("isthmus_partner_online", "1 if connected.", labels=["partner"])
    days = GaugeMetricFamily(
        "isthmus_certificate_days_left", "Days until a partner must renew.", labels=["partner"]
    )
    for partner in active:
        online.add_metric([partner["name"]], float(partner["online"]))
        days.add_metric([partner["name"]], partner["certificate_days_left"])
    yield from (online, days)


def _rounds(reports: list[dict[str, Any]]) -> Iterator[Metric]:
    """Of the current run: attempts, the newest cohort, seconds, bytes, failures by code."""
    yield CounterMetricFamily("isthmus_attempts", "Attempts at rounds.", value=len(reports))
    survivors = [len(report["survivors"]) for report in reports if report["survivors"]]
    if survivors:
        yield _gauge("isthmus_cohort", "Survivors of the newest sum.", survivors[-1])
    yield _total("isthmus_stage_seconds", "Seconds in a stage.", reports, "seconds")
    yield _total("isthmus_bytes_received", "Payload bytes from nodes.", reports, "bytes_up")
    yield _total("isthmus_bytes_sent", "Payload bytes to nodes.", reports, "bytes_down")
    codes: Counter[tuple[str, str]] = Counter()
    for report in reports:
        for stage, failures in report["failures"].items():
            codes.update((stage, code) for code in failures.values())
    family = CounterMetricFamily(
        "isthmus_failures", "Nodes that refused or stayed silent.", labels=["stage", "code"]
    )
    for labels, count in sorted(codes.items()):
        family.add_metric(list(labels), count)
    yield family


def _total(name: str, help_text: str, reports: list[dict[str, Any]], key: str) -> Metric:
    sums: Counter[str] = Counter()
    for report in reports:
        sums.update(report[key])
    family = CounterMetricFamily(name, help_text, labels=["stage"])
    for stage, value in sorted(sums.items()):
        family.add_metric([stage], value)
    return family


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=float(value))
