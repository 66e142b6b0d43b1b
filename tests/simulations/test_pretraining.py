"""Public pre-training writes the weights that the printed lines of a plan name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shared.initial_weights import InitialWeights, read_initial
from shared.models.behaviour_parameters import initial_parameters
from simulations.cli import app
from simulations.recipe import load_recipe
from tests.plans import make_plan

RECIPE = """
title = "public"
encoder = "hashed-words"
data = { source = "generated", generated = { users = [30], items = [40] } }
model = { item_dim = 16, adapter_dim = 8, input_dim = 8, hidden_dim = 8, history_length = 6 }
centralised = { steps = 3, batch_users = 16 }
"""


def test_the_printed_lines_name_the_written_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    recipe = tmp_path / "public.toml"
    recipe.write_text(RECIPE)
    done = CliRunner().invoke(app, ["pretrain", str(recipe), "--out", str(tmp_path / "initial")])
    assert done.exit_code == 0, done.output
    section = tomllib.loads(done.stdout)["initial_weights"]
    assert "generated-ecommerce (bazaar), 3 steps" in section["source"]
    plan = make_plan(model=load_recipe(str(recipe)).model)
    plan = plan.model_copy(update={"initial_weights": InitialWeights(**section)})
    weights = read_initial(tmp_path / "initial", plan)
    assert weights is not None
    assert np.abs(weights - initial_parameters(plan.model, 0)).max() > 1e-3
