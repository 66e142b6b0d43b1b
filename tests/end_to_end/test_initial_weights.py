"""A federation that starts from pre-trained weights: all from the same, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.global_model import GlobalModel
from server.coordinator import RunFailedError
from shared.initial_weights import InitialWeights, store_initial
from shared.models.behaviour_parameters import behaviour_schema
from tests.federation import MODEL, Federation
from tests.plans import make_plan

SCHEMA = behaviour_schema(MODEL)
WEIGHTS = np.random.default_rng(0).normal(0, 0.1, SCHEMA.size).astype(np.float32)


def _federation(root: Path, *, left_out: str) -> Federation:
    """A federation whose parties hold the weights, all but the directory `left_out`."""
    named = InitialWeights(source="films", digest=SCHEMA.digest(WEIGHTS).hex())
    plan = make_plan(model=MODEL, rounds=1).model_copy(update={"initial_weights": named})
    for party in ("coordinator", *(f"node-{p.id}" for p in plan.partners)):
        if party != left_out:
            store_initial(root / party / "initial", SCHEMA, WEIGHTS)
    return Federation(plan, root)


def test_all_train_from_the_named_weights(tmp_path: Path) -> None:
    federation = _federation(tmp_path, left_out="")
    final = federation.run()
    assert 0 < np.abs(final.model - WEIGHTS).max() < 0.5
    for node in federation.nodes.values():
        path = node.home.run(federation.plan.run_id) / "state.safetensors"
        np.testing.assert_array_equal(GlobalModel(federation.plan, path).state.flat(), final.flat())


def test_a_node_that_lacks_them_takes_no_part(tmp_path: Path) -> None:
    federation = _federation(tmp_path, left_out="node-2")
    with pytest.raises(RunFailedError):  # of three partners, all three must stay
        federation.run()
    assert not federation.nodes[2].home.ledger.exists()
