"""The main job: from a recipe to results and report, resumable."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from clients.cli import app as node_app
from simulations.cli import app
from simulations.platforms import DataNeededError
from simulations.recipe import Recipe, load_recipe
from simulations.results import SYSTEMS, read_results
from simulations.run import Run

TINY = """
title = "three small generated shops"
encoder = "hashed-words"

[data]
source = "generated"
generated = { users = [90, 80, 70], items = [60, 50, 40], events_per_user = 8.0 }

[model]
item_dim = 32
adapter_dim = 16
input_dim = 8
hidden_dim = 8
history_length = 8

[federation]
rounds = 2
unprotected_rounds = 2
local = { steps = 2, batch_users = 16 }
unprotected_local = { steps = 2, batch_users = 16 }

[content.terms]
model = { item_dim = 32, latent_dim = 4, hidden_dim = 8 }
local = { steps = 1, batch_users = 16 }

[content.tuning]
max_steps = 4
check_every = 2
batch_users = 16

[personalisation]
max_steps = 4
check_every = 2
batch_users = 16

[centralised]
steps = 3
batch_users = 16

[evaluation]
bootstrap_samples = 100
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return load_recipe(str(path))


def _quiet() -> Console:
    return Console(file=open("/dev/null", "w", encoding="utf-8"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_system_is_measured_on_every_platform_and_private_ones_show_epsilon(
    recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    Run(recipe, "tiny", out).execute(_quiet())
    results = read_results(out)
    assert len(results.platforms) == 3
    for platform in results.platforms.values():
        assert set(platform.systems) == set(SYSTEMS)
        assert platform.epsilon is not None
        assert 0 < platform.epsilon <= 8
        assert platform.systems["federated_dp_lstm"].epsilon == platform.epsilon
        assert platform.systems["fusion"].epsilon == platform.epsilon
        assert platform.systems["federated_lstm"].epsilon is None
        assert platform.systems["vae_gan"].epsilon == platform.epsilon
        assert platform.systems["local_vae_gan"].epsilon is None
        assert {"content_vae_gan", "federated_content_vae_gan"} <= platform.fusion_weights.keys()
        assert sum("its own VAE without the discriminator" in note for note in platform.notes) == 1
        assert sum("reconstruction" in note for note in platform.notes) == 3
        assert "ndcg@10" in platform.uplift["fusion_vs_local"]
        assert platform.local_fusion is not None
    assert set(results.macro) == set(SYSTEMS)
    assert results.bytes["federated_dp_lstm.up"] > 0
    raw = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert raw["schema"] == 1
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_interrupted_run_continues_and_its_budget_is_charged_once(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("simulations.run.learn_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Run(recipe, "tiny", out).execute(_quiet())
    assert not (out / "results.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("simulations.run.train_centralised", interrupt)  # must not run again
        Run(recipe, "tiny", out).execute(_quiet())
    assert all(p.epsilon and p.epsilon <= 8 for p in read_results(out).platforms.values())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_commands_run_report_and_show_the_privacy_of_a_node(tmp_path: Path) -> None:
    path, out = tmp_path / "tiny.toml", tmp_path / "out"
    path.write_text(TINY, encoding="utf-8")
    runner = CliRunner()
    systems = 'systems=["popularity", "local_lstm", "federated_dp_lstm", "fusion"]'
    arguments = ["run", str(path), "--out", str(out), "--set", systems, "--seed", "1"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "fusion" in done.output
    assert runner.invoke(app, ["report", str(out)]).exit_code == 0
    assert runner.invoke(app, ["compare", str(out), str(out)]).exit_code == 0
    node = out / "work" / "federated_dp_lstm" / "nodes" / "0"
    shown = runner.invoke(node_app, ["privacy", "--home", str(node)])
    assert "add or remove one of its users" in " ".join(shown.output.split())
    as_json = runner.invoke(node_app, ["privacy", "--home", str(node), "--json"])
    assert 0 < json.loads(as_json.output)["spent"] <= 8


def test_recipes_are_listed() -> None:
    listed = CliRunner().invoke(app, ["recipes"])
    assert "quickstart" in listed.output


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("terminated", [False, True])
def test_an_interruption_says_how_to_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, terminated: bool
) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    before = signal.getsignal(signal.SIGTERM)

    def interrupt(*_: object, **__: object) -> None:
        if terminated:
            signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt  # SIGINT itself may be ignored by whoever started the tests

    monkeypatch.setattr("simulations.run.load_data", interrupt)
    done = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 130
    assert "same command again" in done.output
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_forgotten_folder_leaves_nothing_that_the_next_try_would_not_fit(tmp_path: Path) -> None:
    out = tmp_path / "out"
    call = ["run", "amazon", "--out", str(out)]
    forgotten = CliRunner().invoke(app, call)
    assert isinstance(forgotten.exception, DataNeededError)
    missing = CliRunner().invoke(app, [*call, "--data", str(tmp_path / "nowhere")])
    assert missing.exit_code != 0
    assert not out.exists()
