"""The report of the attacks: one page that needs nothing but itself."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from shared.files import write_atomically
from simulations.attacks.results import AttackResults, read_attacks
from simulations.reporting import attack_plots, attack_tables
from simulations.reporting.attack_wording import headline
from simulations.reporting.page import page_environment
from simulations.reporting.wording import longest_first

ATTACKS_PAGE: Final = "attacks.html"


def write_attack_report(directory: Path) -> Path:
    """Write ``attacks.html`` from the results in `directory`; returns its path.

    Raises
    ------
    simulations.results.UnreadableResultsError, OtherSchemaError, InvalidResultsError
        There are no results that can be read.
    """
    path = directory / ATTACKS_PAGE
    page = render_attack_page(read_attacks(directory))
    write_atomically(path, page.encode("utf-8", errors="replace"))
    return path


def render_attack_page(results: AttackResults) -> str:
    """The page; every value of `results` is escaped."""
    return page_environment().get_template("attacks.html.j2").render(_content(results))


def _content(results: AttackResults) -> dict[str, Any]:
    command = f"isthmus-lab attack {shlex.quote(results.recipe)} --seed {results.seed}"
    return {
        "results": results,
        "headline": headline(results),
        "inversion_tables": attack_tables.inversion_tables(results),
        "inversion_plots": attack_plots.inversion_plots(results),
        "membership_tables": attack_tables.membership_tables(results),
        "membership_plots": attack_plots.membership_plots(results),
        "epsilon_plots": attack_plots.epsilon_plots(results),
        "promotion_tables": attack_tables.promotion_tables(results),
        "promotion_plots": attack_plots.promotion_plots(results),
        "timings": longest_first(results.timings),
        "command": command,
    }
