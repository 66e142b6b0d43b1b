"""The routes of the service, version 1."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from clients.advice import Wish
from clients.data.store import LiveEvent, Reaction
from clients.explaining.wording import Language
from clients.ranking.request import Filters
from clients.serving.engine import Wanted
from clients.serving.errors import NotReadyError
from clients.serving.http.access import Access
from clients.serving.http.answers import profile_answer, recommendation_answer, similar_answer
from clients.serving.http.bodies import body_of, documented
from clients.serving.http.metrics import Metrics
from clients.serving.http.problems import MEDIA_TYPE
from clients.serving.http.schemas import (
    SOMETHING,
    ErasedAnswer,
    EventIn,
    Events,
    EventsAnswer,
    Health,
    Problem,
    ProfileAnswer,
    ReactionIn,
    Reactions,
    ReactionsAnswer,
    RecommendationAnswer,
    RecommendationRequest,
    SentenceOut,
    SimilarAnswer,
    SwapAnswer,
)
from clients.serving.service import Service


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    described = {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "see `code`"}
    return dict.fromkeys((*statuses, 400, 500, 503), described)


GUARDED: Final = (401, 403, 404, 405, 409, 413, 422, 429)
open_routes = APIRouter(responses=_problems(404, 405, 413))
routes = APIRouter(prefix="/v1", responses=_problems(*GUARDED))
metrics_route = APIRouter(responses=_problems(*GUARDED))
SERVE, FEEDBACK, ADMIN = (
    [Depends(Access("serve"))],
    [Depends(Access("feedback"))],
    [Depends(Access())],
)
ANY = [Depends(Access("serve", "feedback"))]
UserPath = Annotated[
    str, Path(min_length=1, max_length=512, pattern=SOMETHING, description="The platform's id.")
]
ItemPath = Annotated[str, Path(min_length=1, max_length=512, pattern=SOMETHING)]
NOBODY: Final = "0" * 32
"""Pseudonym of everybody who opted out: a user without a history, of whom nothing is kept."""
LINES: Final = "application/x-ndjson"
InLanguage = Annotated[Language | None, Query(description="The node's default if not given.")]
Count = Annotated[int, Query(ge=1, le=200, description="Length of the list.")]


@routes.post(
    "/recommendations",
    dependencies=SERVE,
    response_model=RecommendationAnswer,
    openapi_extra=documented(RecommendationRequest),
)
async def recommendations(request: Request) -> Response:
    """Recommend items to a user."""
    asked = await body_of(request, RecommendationRequest)
    service = _service(request)
    language = asked.language or request.app.state.language
    wanted = Wanted(
        user=_pseudonym(service, asked.user),
        k=asked.k,
        filters=asked.filters,
        diversity=asked.diversity,
        wish=Wish(explain=asked.explain, text=asked.text, language=language),
    )
    answered = await service.recommend(wanted)
    _metrics(request).answered(answered.advice.answer.fallback)
    return _json(recommendation_answer(answered))


@routes.post(
    "/events",
    dependencies=FEEDBACK,
    response_model=EventsAnswer,
    openapi_extra=documented(Events),
)
async def events(request: Request) -> Response:
    """Tell what users just did; it is on the disk and counts when this answers."""
    asked = await body_of(request, Events)
    service = _service(request)
    rows = [row for one in asked.events if (row := _event(service, one)).user != NOBODY]
    known = await service.take_in(rows)
    _metrics(request).kept("event", len(rows))
    return _json(EventsAnswer(kept=len(rows), known_items=known))


@routes.post(
    "/feedback",
    dependencies=FEEDBACK,
    response_model=ReactionsAnswer,
    openapi_extra=documented(Reactions),
)
async def feedback(request: Request) -> Response:
    """Tell what users did with recommendations; it counts from the next list on."""
    asked = await body_of(request, Reactions)
    service = _service(request)
    rows = [row for one in asked.reactions if (row := _reaction(service, one)).user != NOBODY]
    await service.react(rows)
    _metrics(request).kept("reaction", len(rows))
    return _json(ReactionsAnswer(kept=len(rows)))


@routes.get("/users/{user}/profile", dependencies=SERVE, response_model=ProfileAnswer)
async def profile(request: Request, user: UserPath) -> Response:
    """What the platform's own data say about a user: interests, activity, novelty."""
    service = _service(request)
    engine = service.engine
    found = await service.with_engine(engine.profile, _pseudonym(service, user), "UTC")
    return _json(profile_answer(found, engine.adviser.catalogue))


@routes.get(
    "/users/{user}/summary",
    dependencies=SERVE,
    response_class=Response,
    responses={200: {"description": "A `SentenceOut` a line.", "content": {LINES: {}}}},
)
async def summary(request: Request, user: UserPath, language: InLanguage = None) -> Response:
    """A user's interests in words, streamed: one JSON object a line, each a checked sentence."""
    service = _service(request)
    chosen = language or request.app.state.language
    written = service.summary(_pseudonym(service, user), chosen)
    lines = (
        SentenceOut(text=one.text, source=one.source).model_dump_json() + "\n"
        async for one in written
    )
    return StreamingResponse(lines, media_type=LINES)


@routes.get("/items/{item}/similar", dependencies=SERVE, response_model=SimilarAnswer)
async def similar(request: Request, item: ItemPath, k: Count = 10) -> Response:
    """Items like one item."""
    service = _service(request)
    engine = service.engine
    items, by_text = await service.with_engine(engine.similar, item, k, Filters())
    return _json(similar_answer(items, by_text, engine.adviser.catalogue))


@routes.delete("/users/{user}", dependencies=ADMIN, response_model=ErasedAnswer)
async def erase(request: Request, user: UserPath) -> Response:
    """Erase a user, and take in nothing of hers any more."""
    service = _service(request)
    pseudonym = service.store.pseudonym(user)
    await service.forget(pseudonym, lambda: request.app.state.erase(pseudonym))
    return _json(ErasedAnswer(erased=True))


@routes.post("/model/swap", dependencies=ADMIN, response_model=SwapAnswer)
async def swap(request: Request) -> Response:
    """Serve the node's current data and model bundle; the former ones go on if it cannot be."""
    return _json(SwapAnswer(model=await _service(request).swap()))


@open_routes.get("/health", response_model=Health)
async def health(request: Request) -> Response:
    """Whether the process is alive."""
    service = _service(request)
    model, problem = service.engine.model, service.problem
    found = Health(
        status="ok",
        model=None if model is None else model.manifest.created,
        problem=None if problem is None else problem.code,
    )
    return _json(found)


@open_routes.get("/ready", response_model=Health)
async def ready(request: Request) -> Response:
    """Whether a model is served; 503 while answers are fallbacks."""
    service = _service(request)
    if service.engine.model is None:
        problem = f"no model: {service.problem.code}" if service.problem else "no model"
        raise NotReadyError(problem, remedy="isthmus-node train --local, then send SIGHUP")
    return await health(request)


@metrics_route.get("/metrics", dependencies=ANY, response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    page = _metrics(request).page(_service(request))
    return Response(page, media_type="text/plain; version=0.0.4")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _metrics(request: Request) -> Metrics:
    found: Metrics = request.app.state.metrics
    return found


def _pseudonym(service: Service, user: str) -> str:
    """At the door: nothing behind it sees the raw id, nor who it is that opted out."""
    pseudonym = service.store.pseudonym(user)
    return NOBODY if service.store.has_opted_out(pseudonym) else pseudonym


def _event(service: Service, one: EventIn) -> LiveEvent:
    moment = time.time() if one.time is None else one.time
    user = _pseudonym(service, one.user)
    return LiveEvent(user=user, item=one.item, event=one.event, time=moment)


def _reaction(service: Service, one: ReactionIn) -> Reaction:
    moment = time.time() if one.time is None else one.time
    user = _pseudonym(service, one.user)
    return Reaction(user=user, item=one.item, kind=one.kind, time=moment)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


ROUTERS: Final[Sequence[APIRouter]] = (routes, open_routes, metrics_route)
