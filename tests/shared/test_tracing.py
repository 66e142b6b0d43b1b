"""Traces hold places, figures and codes, never what an exception says; off, they cost nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import shared.tracing
from shared.tracing import TracingMissingError, span, trace_to, trace_with
from shared.wire import STAGES, WireVersionError
from tests.federation import MODEL, Federation
from tests.plans import make_plan


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setattr(shared.tracing, "_tracer", None)
    exporter = InMemorySpanExporter()
    trace_with(SimpleSpanProcessor(exporter), "test")
    yield exporter
    shared.tracing._tracer = None


def test_without_a_collector_nothing_is_traced() -> None:
    trace_to("", "test")
    with span("stage", round=1) as note:
        note(bytes=3)
    assert shared.tracing._tracer is None


def test_a_span_has_its_facts(spans: InMemorySpanExporter) -> None:
    with span("stage", round=1) as note:
        note(bytes=3)
    (found,) = spans.get_finished_spans()
    assert found.name == "stage"
    assert dict(found.attributes or {}) == {"isthmus.round": 1, "isthmus.bytes": 3}


@pytest.mark.parametrize(
    ("error", "code"),
    [(WireVersionError("user-4711"), "FED-011"), (KeyError("user-4711"), "KeyError")],
)
def test_an_error_is_its_code_and_no_text(
    spans: InMemorySpanExporter, error: Exception, code: str
) -> None:
    with pytest.raises(type(error)), span("stage"):
        raise error
    (found,) = spans.get_finished_spans()
    assert (found.attributes or {})["isthmus.code"] == code
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, None)
    assert "4711" not in found.to_json()


def test_a_round_is_traced_at_both_sides(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    Federation(make_plan(rounds=1, privacy=None, model=MODEL), tmp_path).run()
    found = spans.get_finished_spans()
    count = {name: sum(s.name == name for s in found) for name in ("attempt", "stage", "answer")}
    assert count == {"attempt": 1, "stage": 5, "answer": 3 * len(STAGES)}


def test_a_collector_without_opentelemetry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(TracingMissingError, match="opentelemetry"):
        trace_to("http://127.0.0.1:9/v1/traces", "test")
