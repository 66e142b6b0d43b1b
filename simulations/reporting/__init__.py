"""What a run found, for people: a table in the terminal, a page to pass on, runs side by side."""

from simulations.reporting.comparison import compare
from simulations.reporting.page import write_report
from simulations.reporting.terminal import render_table

__all__ = ["compare", "render_table", "write_report"]
