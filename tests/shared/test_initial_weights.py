"""Pre-trained weights: a plan names them by digest, and nobody begins from others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.global_model import GlobalModel
from clients.plan_view import describe
from shared.initial_weights import InitialWeights, InitialWeightsError, read_initial, store_initial
from shared.models.behaviour_parameters import behaviour_schema
from shared.optimiser import ServerState
from shared.plan import TrainingPlan, read_plan
from tests.federation import MODEL
from tests.plans import KEY, make_plan, public

SCHEMA = behaviour_schema(MODEL)
WEIGHTS = np.random.default_rng(0).standard_normal(SCHEMA.size).astype(np.float32)


def _plan(digest: str) -> TrainingPlan:
    named = InitialWeights(source="films that everybody may use", digest=digest)
    return make_plan(model=MODEL).model_copy(update={"initial_weights": named})


def test_everybody_who_has_the_file_starts_from_it(tmp_path: Path) -> None:
    plan = _plan(store_initial(tmp_path, SCHEMA, WEIGHTS))
    state = ServerState.start(plan, read_initial(tmp_path, plan))
    np.testing.assert_array_equal(state.model, WEIGHTS)
    node = GlobalModel(plan, tmp_path / "state.safetensors", tmp_path)
    np.testing.assert_array_equal(node.state.flat(), state.flat())


def test_other_weights_a_damaged_file_or_none_are_refused(tmp_path: Path) -> None:
    plan = _plan(store_initial(tmp_path, SCHEMA, WEIGHTS))
    named = tmp_path / f"{plan.initial_weights.digest}.safetensors"  # type: ignore[union-attr]
    other = store_initial(tmp_path, SCHEMA, WEIGHTS * 2)
    (tmp_path / f"{other}.safetensors").replace(named)
    with pytest.raises(InitialWeightsError, match=other):
        read_initial(tmp_path, plan)
    named.write_bytes(b"nothing")
    with pytest.raises(InitialWeightsError, match="missing or damaged"):
        read_initial(tmp_path, plan)
    named.unlink()
    with pytest.raises(InitialWeightsError, match=r"no such file|missing or damaged"):
        read_initial(tmp_path, plan)
    with pytest.raises(InitialWeightsError, match="none are given"):
        GlobalModel(plan, tmp_path / "state.safetensors")


def test_weights_of_another_shape_are_refused() -> None:
    plan = _plan(SCHEMA.digest(WEIGHTS).hex())
    with pytest.raises(InitialWeightsError, match="shape"):
        plan.initial_model(WEIGHTS[1:])


def test_a_plan_says_what_they_were_trained_on_and_others_are_written_as_before() -> None:
    plan = _plan("ab" * 32)
    assert "weights trained on films that everybody may use (abababab" in describe(
        plan, None, 0.0, 8.0
    )
    assert read_plan(plan.canonical(), plan.sign(KEY), public(KEY)) == plan
    assert b"initial_weights" not in make_plan(model=MODEL).canonical()
