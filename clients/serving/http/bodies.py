"""Bodies as strict JSON: no conversions, no unknown fields, and errors that repeat nothing sent."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError

from clients.serving.errors import InvalidRequestError
from shared.config import StrictModel

Body = TypeVar("Body", bound=StrictModel)


async def body_of(request: Request, model: type[Body]) -> Body:
    """The body of a request.

    Raises
    ------
    InvalidRequestError
        It is not JSON or does not fit.
    BodyTooLongError
    """
    try:
        return model.model_validate_json(await request.body(), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(_shown(part) for part in first["loc"][:6])
        raise InvalidRequestError(f"{where or 'body'}: {_mild(first['msg'])}") from None


def documented(model: type[StrictModel]) -> dict[str, Any]:
    """What the OpenAPI document says about such a body."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {"application/json": {"schema": reference}}
    return {"requestBody": {"required": True, "content": content}}


def _shown(part: int | str) -> str:
    """A field's name; keys that a caller made up are not repeated."""
    return str(part) if isinstance(part, int) or (part.isidentifier() and len(part) < 40) else "?"


def _mild(message: str) -> str:
    return message[:120]
