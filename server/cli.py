"""`isthmus-coordinator`: what an operator calls; each command is one of `server.commands`."""

from __future__ import annotations

import typer

from server.commands.approve import approve
from server.commands.articles import articles
from server.commands.init import init
from server.commands.invite import invite
from server.commands.releases import app as releases
from server.commands.resume import resume
from server.commands.revoke import revoke
from server.commands.start import start
from server.commands.status import rounds, status
from shared.command_line import Version, run_command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The coordinator of a federation.",
)


@app.callback()
def coordinator(version: Version = False) -> None:
    """The coordinator of a federation."""


for command in (init, invite, approve, revoke, articles, start, status, rounds, resume):
    app.command()(command)
app.add_typer(releases, name="releases")


def main() -> None:
    """Entry point of the command."""
    run_command(app)


if __name__ == "__main__":
    main()
