"""`isthmus-node serve`: the node's HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.commands.home import DEFAULT_HOME, Home


def serve(
    home: Home = DEFAULT_HOME,
    host: Annotated[str | None, typer.Option(help="Instead of node.toml's.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of node.toml's; 0: any.")] = None,
) -> None:
    """Serve recommendations over HTTP until SIGTERM; SIGHUP takes over new data and a new model."""
    import torch

    from clients.data.store import NodeStore
    from clients.home import NodeHome
    from clients.lifecycle.erasure import forget
    from clients.metrics import NodeCollector
    from clients.node_config import read_node_config
    from clients.serving.config import ServingConfig
    from clients.serving.http.application import make_application
    from clients.serving.http.server import bound, run_server, swap_on_hangup
    from clients.serving.keys import ApiKeys, key_file
    from clients.serving.opening import open_service
    from shared.config import parse

    torch.set_num_threads(1)  # one request never waits for the threads of another
    node = NodeHome.existing(home)
    config = read_node_config(node)
    chosen = {n: v for n, v in (("host", host), ("port", port)) if v is not None}
    values = config.serving.model_dump() | chosen
    serving = parse(ServingConfig, values, where="options of serve")
    with NodeStore(node).served():
        service = open_service(node, config)
        keys = ApiKeys(key_file(node))
        if not keys.all():
            typer.echo("no API keys yet: isthmus-node keys add NAME --role serve", err=True)
        if service.problem is not None:
            typer.echo(f"only fallbacks: {service.problem}", err=True)
        application = make_application(
            service,
            keys,
            lambda user: forget(node, service.store, user),
            language=config.text.language,
            started=swap_on_hangup,
            collectors=[NodeCollector(node)],
        )
        listening = bound(serving)
        address, number = listening.getsockname()[:2]
        typer.echo(f"serving on http://{address}:{number}")
        run_server(application, listening, serving)
