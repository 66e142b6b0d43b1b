"""Runs and consoles for the tests of reporting."""

import io
import re
from typing import Any

from rich.console import Console

from simulations.results import Results, macro
from tests.simulations.sample_results import platform, sample

SHARES = (0.01, 0.004, 0.017)


def console(width: int = 100, *, styled: bool = False) -> Console:
    """Writes into memory; `styled` keeps bold and colours."""
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=styled,
        color_system="standard" if styled else None,
        legacy_windows=False,
    )


def printed(target: Console) -> str:
    """What was printed so far."""
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def flat(text: str) -> str:
    """`text` on one line."""
    return re.sub(r"\s+", " ", text)


def of_platforms(*names: str, **changes: Any) -> Results:
    """A run with these platforms, each better than the one before."""
    platforms = {name: platform(0.02 + 0.003 * i, SHARES) for i, name in enumerate(names)}
    return sample(**{"platforms": platforms, "macro": macro(platforms), **changes})


def bare(results: Results, *fields: str) -> Results:
    """`results` without these fields of its platforms."""
    values = results.model_dump(by_alias=True, exclude_none=True)
    for found in values["platforms"].values():
        for name in fields:
            found.pop(name, None)
    return Results.model_validate(values)
