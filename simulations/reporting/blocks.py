"""Tables that fit the terminal: too many columns go on in another table below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Item = TypeVar("Item")
Consumed = TypeVar("Consumed", contravariant=True)

NAME_WIDTH = 16
"""Longer names of platforms are folded to this width."""
_ENDLESS = 10_000


class Builder(Protocol[Consumed]):
    """Makes the table of some columns."""

    def __call__(self, part: Sequence[Consumed], /, first: bool) -> Table:
        """The table of `part`; told whether it is the first one."""


def print_in_blocks(console: Console, items: Sequence[Item], build: Builder[Item]) -> None:
    """Print `build(part, first)` for consecutive parts of `items`, each as long as fits.

    Parameters
    ----------
    items
        What the columns stand for; with none, the first table is printed all the same.
    build
        Makes the table of some items; told whether it is the first one.
    """
    rest, first = list(items), True
    while rest or first:
        count = _fitting(console, rest, partial(build, first=first))
        console.print(build(rest[:count], first))
        rest, first = rest[count:], False


def new_table(title: str) -> Table:
    """A light table with its title on the left; the title is no markup."""
    return Table(
        title=Text(f"\n{title}", style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def add_figures_column(table: Table, name: str, *, width: int = NAME_WIDTH) -> None:
    """A column of figures under the name of a platform or run; the name is no markup."""
    table.add_column(Text(name), justify="right", max_width=width, overflow="fold")


def marked(cells: Sequence[str], values: Sequence[float | None]) -> list[Text]:
    """`cells` with the largest of `values` in bold, all of them where several are equal."""
    best = max((value for value in values if value is not None), default=None)
    return [
        Text(cell, style="bold" if value is not None and value == best else "")
        for cell, value in zip(cells, values, strict=True)
    ]


def _fitting(
    console: Console, items: Sequence[Item], build: Callable[[Sequence[Item]], Table]
) -> int:
    endless = console.options.update(width=_ENDLESS)
    for count in range(len(items), 1, -1):
        if console.measure(build(items[:count]), options=endless).maximum <= console.width:
            return count
    return 1
