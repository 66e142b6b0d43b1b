"""`isthmus-node recommend`: what one user would get, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clients.commands.home import DEFAULT_HOME, AsJson, Home

if TYPE_CHECKING:
    from clients.serving.http.schemas import RecommendationAnswer


def recommend(
    user: Annotated[str, typer.Argument(help="The platform's id of the user.")],
    k: Annotated[int, typer.Option("-k", min=1, max=200, help="Length of the list.")] = 10,
    explain: Annotated[bool, typer.Option(help="Say why.")] = False,
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

    node = NodeHome(home)
    config = read_node_config(node)
    service = open_service(node, config)
    wish = Wish(explain=explain, language=config.text.language)
    wanted = Wanted(user=service.store.pseudonym(user), k=k, wish=wish)
    answer = recommendation_answer(service.engine.prepare([wanted])[0].answer())
    service.close()
    if as_json:
        typer.echo(answer.model_dump_json(indent=1))
        return
    _show(answer, str(service.problem) if service.problem else "")


def _show(answer: RecommendationAnswer, problem: str) -> None:
    if problem:
        typer.echo(f"no model is served: {problem}", err=True)
    if answer.note:
        typer.echo(answer.note)
    for place, item in enumerate(answer.items, start=1):
        typer.echo(f"{place:3}  {item.score:8.3f}  {item.item}  {item.title}")
        if item.reasons is not None:
            typer.echo(f"     {item.reasons.sentence}")
