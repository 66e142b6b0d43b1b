"""`isthmus-lab attack`: results and page, and an interrupted run that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from simulations.attacks import run as attack_run
from simulations.attacks.errors import TooFewToAttackError
from simulations.attacks.inversion_trials import measure_inversion
from simulations.attacks.promotion_trials import CONDUCTS
from simulations.attacks.results import read_attacks
from simulations.cli import app
from simulations.platforms import CACHE_VARIABLE
from simulations.recipe import load_recipe
from tests.simulations.attacks.small import SHOPS, recipe_file

FEW = (
    "attack.inversion.batches=[1, 2]",
    "attack.inversion.trials=2",
    "attack.inversion.shadow_trials=1",
    "attack.membership.trainings=2",
    "attack.promotion.items=2",
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def _arguments(directory: Path, *more: str) -> list[str]:
    sets = [part for setting in FEW for part in ("--set", setting)]
    out = str(directory / "out")
    return ["attack", str(recipe_file(directory)), "--out", out, *sets, *more]


def test_all_attacks_from_the_command_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, _arguments(tmp_path))
    assert done.exit_code == 0, done.output
    found = read_attacks(tmp_path / "out")
    assert {(row.setting, row.view) for row in found.inversion} == {
        ("plain", "update"),
        ("dp", "update"),
        ("secagg", "upload"),
        ("secagg", "opened"),
        ("both", "upload"),
        ("both", "opened"),
    }
    assert {row.claimed_epsilon is None for row in found.membership} == {True, False}
    assert tuple(row.conduct for row in found.promotion) == CONDUCTS
    assert "Epsilon by membership inference" in done.output
    page = (tmp_path / "out" / "attacks.html").read_text(encoding="utf-8")
    assert all(f'id="{part}"' in page for part in ("inversion", "membership", "promotion"))


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def counted(world: object, case: object) -> object:
        if len(measured) == 2:
            measured.append("")
            raise KeyboardInterrupt
        measured.append(case.name)  # type: ignore[attr-defined]
        return measure_inversion(world, case)  # type: ignore[arg-type]

    monkeypatch.setattr(attack_run, "measure_inversion", counted)
    arguments = _arguments(tmp_path, "--only", "inversion")
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 130
    assert not (tmp_path / "out" / "attacks.json").exists()
    second = CliRunner().invoke(app, arguments)
    assert second.exit_code == 0, second.output
    done = [name for name in measured if name]
    assert sorted(done) == sorted(set(done))  # nothing was measured twice
    found = read_attacks(tmp_path / "out")
    assert len(found.inversion) == 3 * len(done)
    assert not found.membership
    assert not found.promotion


def test_a_sum_needs_three_platforms(tmp_path: Path) -> None:
    two = SHOPS.replace("120, 120, 120", "120, 120").replace("150, 150, 150", "150, 150")
    recipe = load_recipe(str(recipe_file(tmp_path, two)))
    work = attack_run.AttackRun(recipe, "two", tmp_path / "out")
    with pytest.raises(TooFewToAttackError, match="2 platforms") as caught:
        work.execute(Console(quiet=True))
    assert "three platforms" in str(caught.value)
