"""Real data for a deployment: MovieLens as three platforms, and a plan for them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clients.evaluation.split import leave_one_out
from clients.node_data import TrainingData
from shared.models.encoders import load_encoder
from simulations.federated import declared_users
from simulations.platforms import load_data, prepare
from simulations.recipe import load_recipe

PLAN: Final = """\
purpose = "Recommendations that all three film sites gain from"
rounds = {rounds}

[encoder]
name = "{encoder}"
fingerprint = "{fingerprint}"

[model]
history_length = 30
input_dim = {width}
hidden_dim = {width}

[local]
steps = {steps}
batch_users = 128

[aggregation]
ring_bits = {ring_bits}
update_range = {update_range}

[privacy]
epsilon = 8.0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedData:
    """What the nodes of a deployment train on, and the plan that the operator proposes."""

    training: dict[str, TrainingData]
    plan: str

    @property
    def declared(self) -> dict[str, int]:
        """Public lower bound on each platform's users."""
        return {name: declared_users(len(d.histories)) for name, d in self.training.items()}

    def plan_values(self) -> dict[str, Any]:
        """The plan as values."""
        return tomllib.loads(self.plan)

    def write_plan(self, path: Path) -> Path:
        """Write the plan file."""
        path.write_text(self.plan, encoding="utf-8")
        return path


def movielens(
    rounds: int,
    *,
    width: int = 32,
    steps: int = 4,
    ring_bits: int = 32,
    update_range: float = 1.0,
) -> DeployedData:
    """Three film sites that share users but no film, as in the recipe `quickstart`.

    Parameters
    ----------
    rounds, width, steps, ring_bits, update_range
        Rounds, width of the model, local steps, and the ring of secure aggregation.
    """
    recipe = load_recipe("quickstart")
    encoder = load_encoder(recipe.encoder)
    federation = load_data(recipe.data, None, 1)
    platforms = prepare(federation, encoder, recipe.model, leave_one_out, lambda *_: None)
    plan = PLAN.format(
        rounds=rounds,
        width=width,
        steps=steps,
        ring_bits=ring_bits,
        update_range=update_range,
        encoder=recipe.encoder,
        fingerprint=encoder.fingerprint,
    )
    return DeployedData(
        training={p.name: p.training_data() for p in platforms},
        plan=plan,
    )
