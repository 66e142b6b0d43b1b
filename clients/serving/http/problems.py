"""Errors as HTTP answers (RFC 9457): our codes, a status each, and nothing of what was sent."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from clients.data.store_errors import LiveRowError
from clients.ranking.errors import UnknownAttributeError
from clients.serving.errors import NotReadyError, RequestError, UnexpectedError
from clients.serving.http.schemas import Problem
from shared.errors import IsthmusError

MEDIA_TYPE: Final = "application/problem+json"
PAGE: Final = "https://isthmus.example/errors"
_CALLERS: Final[dict[type[IsthmusError], int]] = {LiveRowError: 422, UnknownAttributeError: 409}
"""Errors of other modules that the caller can mend; 409: it fits the API, not this catalogue."""


def status_of(error: Exception) -> int:
    """HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    for kind, status in _CALLERS.items():
        if isinstance(error, kind):
            return status
    return NotReadyError.status if isinstance(error, IsthmusError) else UnexpectedError.status


def problem_of(error: Exception, request: str) -> Response:
    """The answer that tells `error`; nothing of an unexpected one gets out."""
    known = error if isinstance(error, IsthmusError) else UnexpectedError("the service failed")
    status = status_of(error)
    title = " ".join((type(known).__doc__ or "").split("\n\n")[0].split())
    answer = Problem(
        type=f"{PAGE}#{known.code.lower()}",
        title=title,
        status=status,
        detail=known.problem,
        code=known.code,
        remedy=known.remedy,
        request=request,
    )
    response = Response(answer.model_dump_json(), status, media_type=MEDIA_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
