"""Every shipped recipe runs by its name, in its quick form, on small data: none may only load."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest
from typer.testing import CliRunner

from simulations.cli import app
from simulations.content_models import CONTENT
from simulations.datasets.generated import GeneratorSettings, generate
from simulations.recipe import load_recipe, shipped_recipes
from simulations.results import read_results

NAMES = tuple(shipped_recipes())
SLOW = ("amazon", "giant-and-small", "two-models")
RUNS = [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [], id=name) for name in NAMES
]
CATEGORIES = ("beauty", "sports", "toys")
USERS = 240

SMALLER = (
    "encoder=hashed-words",
    "model={item_dim=32, adapter_dim=16, input_dim=8, hidden_dim=8, history_length=8}",
    "federation.rounds=2",
    "federation.unprotected_rounds=2",
    "federation.local={steps=1, batch_users=16}",
    "federation.unprotected_local={steps=1, batch_users=16}",
    "personalisation.max_steps=4",
    "personalisation.check_every=2",
    "personalisation.batch_users=16",
    "centralised={steps=2, batch_users=16}",
    "evaluation.bootstrap_samples=100",
    "evaluation.curve_users=50",
    "evaluation.test_users=50",
)
"""Less of what takes time, for all recipes alike; what a recipe asks stays as it is."""
SMALLER_CONTENT = (
    "content.terms.model={item_dim=32, latent_dim=4, hidden_dim=8}",
    "content.terms.local={steps=1, batch_users=16}",
    "content.tuning={max_steps=4, check_every=2, batch_users=16}",
)
DATA: dict[str, tuple[str, ...]] = {
    "new-shop": ("data.split.newcomer_users=40",),
    "cross-vertical": ("data.keep_users={beauty=0.4}",),
    "small-partner": ("data.keep_users={action=0.1, comedy=0.2, drama=0.2}",),
    "quickstart": ("data.keep_users={action=0.2, comedy=0.2, drama=0.2}",),
    "two-models": ("data.keep_users={action=0.2, comedy=0.2, drama=0.2}",),
}
"""Where a recipe's numbers of users do not fit the small data."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated platforms under the names of the categories that recipes ask for."""
    count = len(CATEGORIES)
    settings = GeneratorSettings(
        users=(USERS,) * count, items=(80,) * count, events_per_user=10.0, overlap=0.0
    )
    generated, path = generate(settings), tmp_path_factory.mktemp("shops")
    for name, table in (("interactions", generated.events), ("items", generated.items)):
        _write(table, path / f"{name}.csv.gz")
    return path


def _write(table: pa.Table, path: Path) -> None:
    named = dict(zip(table["platform"].unique().to_pylist(), CATEGORIES, strict=True))
    platforms = pa.array([named[name] for name in table["platform"].to_pylist()])
    with pa.CompressedOutputStream(str(path), "gzip") as file:
        place = table.schema.get_field_index("platform")
        pyarrow.csv.write_csv(table.set_column(place, "platform", platforms), file)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", RUNS)
def test_a_shipped_recipe_runs_in_its_quick_form_and_measures_what_it_promises(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    recipe = load_recipe(name)
    settings = [*SMALLER, *(SMALLER_CONTENT if recipe.content else ()), *DATA.get(name, ())]
    data = ["--data", str(folder)] if recipe.data.source == "folder" else []
    promised = set(recipe.systems) - (set() if recipe.content else CONTENT.keys())
    out = tmp_path / "out"
    command = ["run", name, "--quick", *data, "--out", str(out)]
    done = CliRunner().invoke(app, [*command, *(a for s in settings for a in ("--set", s))])
    assert done.exit_code == 0, (done.output, done.exception)
    results = read_results(out)
    assert len(results.platforms) >= 3
    for platform in results.platforms.values():
        assert set(platform.systems) == promised
    shown = CliRunner().invoke(app, ["report", str(out)])
    assert shown.exit_code == 0, (shown.output, shown.exception)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_has_quick_settings_that_do_less(name: str) -> None:
    whole, quick = load_recipe(name), load_recipe(name, quick=True)
    assert quick.federation.rounds < whole.federation.rounds
    assert quick.personalisation.max_steps < whole.personalisation.max_steps
    assert quick.systems == whole.systems
