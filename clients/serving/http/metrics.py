"""What the service counts, for Prometheus; no label holds anything of a user or a key."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from clients.serving.service import Service

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """Counters of one service.

    Parameters
    ----------
    others
        What else the page shows: the node's part in federations.
    """

    def __init__(self, *others: Collector) -> None:
        self._registry = CollectorRegistry()
        for other in others:
            self._registry.register(other)
        self._requests = Counter(
            "isthmus_requests", "Requests", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "isthmus_request_seconds", "Time", ("route",), buckets=SECONDS, registry=self._registry
        )
        self._lists = Counter(
            "isthmus_lists", "Lists by reason of fallback", ("fallback",), registry=self._registry
        )
        self._kept = Counter(
            "isthmus_kept", "Events and reactions kept", ("kind",), registry=self._registry
        )
        self._states = Gauge(
            "isthmus_cached_states", "Users whose state is in memory", registry=self._registry
        )
        self._model = Gauge("isthmus_model_served", "1 with a model", registry=self._registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, fallback: str | None) -> None:
        """A list was made."""
        self._lists.labels(fallback or "none").inc()

    def kept(self, kind: str, count: int) -> None:
        """Events or reactions are on the disk."""
        self._kept.labels(kind).inc(count)

    def page(self, service: Service) -> bytes:
        """Everything in Prometheus' text format."""
        model = service.engine.model
        self._states.set(0 if model is None else model.users_kept)
        self._model.set(0 if model is None else 1)
        return bytes(generate_latest(self._registry))
