"""Public pre-training: the behaviour model trained on data that no partner owns, for plans.

The result is a file of weights and the lines of a plan that name it (`shared.initial_weights`).
Nothing here is private: only public or generated data may be given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.initial_weights import InitialWeights, store_initial
from shared.models.behaviour_parameters import behaviour_schema
from shared.models.encoders import load_encoder
from shared.progress import Reporter
from simulations.centralised import train_centralised
from simulations.platforms import load_data, prepare
from simulations.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTraining:
    """What is trained on what.

    Attributes
    ----------
    recipe
        Data, encoder, shape of the model, and section ``[centralised]``: how it is trained.
    data
        Folder with the data, for recipes that read one.
    seed
        Of first weights, batches and samples.
    """

    recipe: Recipe
    data: Path | None
    seed: int

    def run(self, out: Path, report: Reporter) -> InitialWeights:
        """Train, write the weights into the folder `out`, and return what a plan says of them.

        Raises
        ------
        DataNeededError, DataError
        """
        recipe = self.recipe
        federation = load_data(recipe.data, self.data, self.seed)
        encoder = load_encoder(recipe.encoder)
        cut = partial(recipe.evaluation.split, seed=self.seed)
        step = report.step("encoding items")
        features = recipe.data.features
        platforms = prepare(federation, encoder, recipe.model, cut, step, features)
        settings, step = recipe.centralised, report.step("training")
        vector = train_centralised(platforms, recipe.model, settings, self.seed, step)
        name = store_initial(out, behaviour_schema(recipe.model), vector)
        trained_on = ", ".join(platform.name for platform in platforms)
        source = f"{federation.name} ({trained_on}), {settings.steps} steps, encoder {encoder.name}"
        return InitialWeights(source=source, digest=name)
