"""`isthmus-node`: what a platform's engineers call; each command is one of `clients.commands`."""

from __future__ import annotations

import typer

from clients.commands.approve import approve
from clients.commands.articles import app as articles
from clients.commands.batch import batch
from clients.commands.doctor import doctor
from clients.commands.evaluate import evaluate
from clients.commands.forget import forget
from clients.commands.ingest import ingest
from clients.commands.init import init
from clients.commands.join import join
from clients.commands.keys import app as keys
from clients.commands.metrics import metrics
from clients.commands.pin import pin
from clients.commands.plan import plan
from clients.commands.privacy import privacy
from clients.commands.receipts import receipts
from clients.commands.recommend import recommend
from clients.commands.releases import app as releases
from clients.commands.rotate_key import rotate_key
from clients.commands.serve import serve
from clients.commands.start import start
from clients.commands.train import train
from shared.command_line import Version, run_command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A platform's node.",
)


@app.callback()
def node(version: Version = False) -> None:
    """A platform's node."""


app.command()(init)
app.command()(doctor)
app.command()(ingest)
app.command()(forget)
app.command()(rotate_key)
app.command()(train)
app.command()(evaluate)
app.command()(recommend)
app.command()(batch)
app.command()(serve)
app.command()(privacy)
app.command()(receipts)
app.command()(join)
app.command()(pin)
app.command()(start)
app.command()(plan)
app.command()(approve)
app.command()(metrics)

app.add_typer(releases, name="releases")
app.add_typer(keys, name="keys")
app.add_typer(articles, name="articles")


def main() -> None:
    """Entry point of the command."""
    run_command(app)


if __name__ == "__main__":
    main()
