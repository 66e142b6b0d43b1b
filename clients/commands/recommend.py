"""`isthmus-node recommend`: what one user would get, on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from clients.commands.home import DEFAULT_HOME, AsJson, Home

if TYPE_CHECKING:
    from clients.ranking.request import Filters
    from clients.serving.http.schemas import RecommendationAnswer


def recommend(
    user: Annotated[str, typer.Argument(help="The platform's id of the user.")],
    k: Annotated[int, typer.Option("-k", min=1, max=200, help="Length of the list.")] = 10,
    explain: Annotated[bool, typer.Option(help="Say why.")] = False,
    filters: Annotated[
        str,
        typer.Option(help="What the list may hold, as JSON: the REST service's `filters`."),
    ] = "{}",
    diversity: Annotated[
        float | None, typer.Option(min=0, max=1, help="0: relevance alone, 1: variety alone.")
    ] = None,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Recommend items to one user, as the service would; live events and reactions count."""
    from clients.advice import Wish
    from clients.home import NodeHome
    from clients.node_config import read_node_config
    from clients.serving.engine import Wanted
    from clients.serving.http.answers import recommendation_answer
    from clients.serving.opening import open_service

    wanted_items = _filters(filters)
    node = NodeHome.existing(home)
    config = read_node_config(node)
    service = open_service(node, config)
    wish = Wish(explain=explain, language=config.text.language)
    wanted = Wanted(
        user=service.store.pseudonym(user),
        k=k,
        filters=wanted_items,
        diversity=diversity,
        wish=wish,
    )
    answer = recommendation_answer(service.engine.prepare([wanted])[0].answer())
    service.close()
    if as_json:
        typer.echo(answer.model_dump_json(indent=1))
        return
    _show(answer, str(service.problem) if service.problem else "")


def _filters(text: str) -> Filters:
    from clients.ranking.request import Filters
    from shared.config import parse
    from shared.errors import InvalidValueError

    remedy = """for example --filters '{"categories": ["c7"]}'"""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InvalidValueError(f"{text!r} is no JSON", where="--filters", remedy=remedy) from error
    if not isinstance(values, dict):
        raise InvalidValueError(f"{text!r} is no object", where="--filters", remedy=remedy)
    return parse(Filters, values, where="--filters")


def _show(answer: RecommendationAnswer, problem: str) -> None:
    if problem:
        typer.echo(f"no model is served: {problem}", err=True)
    if answer.note:
        typer.echo(answer.note)
    for place, item in enumerate(answer.items, start=1):
        typer.echo(f"{place:3}  {item.score:8.3f}  {item.item}  {item.title}")
        if item.reasons is not None:
            typer.echo(f"     {item.reasons.sentence}")
    left_out = {name: count for name, count in answer.filtered.items() if count}
    if left_out:
        told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in left_out.items())
        typer.echo(f"left out of the catalogue: {told}")
