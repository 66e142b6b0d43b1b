"""Traces of rounds for OpenTelemetry, off unless an operator names a collector.

A span holds which stage of which round of which run, how many bytes, and the error code if it was
refused: what metrics and logs hold as well. No text of an exception enters one. Spans go to the
party's own collector and nowhere else; the parties' traces are not linked with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from shared.errors import ConfigError, IsthmusError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

Fact = str | int | float
PREFIX: Final = "isthmus."


class TracingMissingError(ConfigError):
    """Traces are asked for, but OpenTelemetry is not installed."""

    code = "CFG-015"
    default_remedy = "pip install 'isthmus[tracing]', or leave the endpoint empty"


class Note(Protocol):
    """Adds facts to the span that is open."""

    def __call__(self, **facts: Fact) -> None:
        """Add `facts`."""


_tracer: Tracer | None = None


def trace_to(endpoint: str, service: str) -> None:
    """Send spans to a collector (OTLP over HTTP); an empty `endpoint` changes nothing.

    Parameters
    ----------
    endpoint
        For example ``http://127.0.0.1:4318/v1/traces``.
    service
        Name of this party's service.

    Raises
    ------
    TracingMissingError
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingMissingError(f"no module {error.name}") from error
    trace_with(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), service)


def trace_with(processor: SpanProcessor, service: str) -> None:
    """Hand spans to `processor` from now on."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    global _tracer
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("isthmus")


@contextmanager
def span(name: str, **facts: Fact) -> Iterator[Note]:
    """Trace a block; an error that ends it is noted by its code alone."""
    if _tracer is None:
        yield _nothing
        return
    from opentelemetry.trace import Status, StatusCode

    with _tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False
    ) as current:

        def note(**more: Fact) -> None:
            current.set_attributes({PREFIX + key: value for key, value in more.items()})

        note(**facts)
        try:
            yield note
        except BaseException as error:
            note(code=error.code if isinstance(error, IsthmusError) else type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def _nothing(**_facts: Fact) -> None:
    pass
