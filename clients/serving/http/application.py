"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client.registry import Collector
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from clients.explaining.wording import Language
from clients.serving.errors import (
    InvalidRequestError,
    NoSuchMethodError,
    NoSuchPathError,
    TooManyRequestsError,
)
from clients.serving.http.guard import Guard
from clients.serving.http.metrics import Metrics
from clients.serving.http.problems import problem_of
from clients.serving.http.routes import ROUTERS
from clients.serving.http.schemas import Events, Problem, Reactions, RecommendationRequest
from clients.serving.keys import ApiKeys
from clients.serving.limits import RateLimit
from clients.serving.service import Service
from shared.errors import IsthmusError


def make_application(
    service: Service,
    keys: ApiKeys,
    erase: Callable[[str], object],
    *,
    language: Language = "en",
    started: Callable[[Service], None] = lambda _service: None,
    collectors: Sequence[Collector] = (),
) -> ASGIApp:
    """The service's HTTP interface.

    Parameters
    ----------
    erase
        Erases a user (pseudonym) from the disk.
    language
        Of sentences where a request names none.
    started
        Called in the event loop before the first request.
    collectors
        What ``/metrics`` shows besides the service's own counters.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        started(service)
        yield
        service.close()

    app = FastAPI(title="Isthmus node", version="1", lifespan=lifespan, redoc_url=None)
    app.state.service, app.state.keys = service, keys
    app.state.metrics = Metrics(*collectors)
    app.state.language, app.state.erase = language, erase
    config = service.config
    app.state.limit = RateLimit(config.requests_per_second, config.burst)
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(IsthmusError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_route)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return Guard(app, app.state.metrics, config.body_bytes)


async def _known(request: Request, error: Exception) -> Response:
    response = problem_of(error, _number(request))
    if isinstance(error, TooManyRequestsError):
        response.headers["Retry-After"] = "1"
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    places = error.errors() if isinstance(error, RequestValidationError) else []
    fields = ", ".join(str(one["loc"][-1]) for one in places[:5] if one["loc"])
    return problem_of(InvalidRequestError(f"not valid: {fields[:100]}"), _number(request))


async def _no_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException) or error.status_code != 405:
        return problem_of(NoSuchPathError("no such path"), _number(request))
    response = problem_of(NoSuchMethodError("no such method"), _number(request))
    response.headers.update(error.headers or {})
    return response


def _number(request: Request) -> str:
    return str(getattr(request.state, "request", ""))


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the bodies that are read without FastAPI."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        bodies = [(model, "validation") for model in (RecommendationRequest, Events, Reactions)]
        template = "#/components/schemas/{model}"
        _, found = models_json_schema(bodies, ref_template=template)  # type: ignore[arg-type]
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(found.get("$defs", {}))
        schemas.setdefault("Problem", Problem.model_json_schema())
        app.openapi_schema = document
    return app.openapi_schema
