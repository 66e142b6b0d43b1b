"""A small federation to attack: three generated shops, a model of a few thousand parameters."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from shared.models.encoders import load_encoder
from simulations.attacks.world import World
from simulations.platforms import platforms_of
from simulations.recipe import Recipe, load_recipe

SHOPS = """
title = "three small generated shops"
encoder = "hashed-words"

[data]
source = "generated"
generated = { users = [120, 120, 120], items = [150, 150, 150], events_per_user = 7.0 }

[model]
item_dim = 64
adapter_dim = 64
input_dim = 16
hidden_dim = 16
history_length = 12

[federation]
rounds = 2
local = { steps = 2, batch_users = 32 }

[personalisation]
max_steps = 2
check_every = 1
batch_users = 16

[attack.inversion]
batches = [1]
steps = [1]
trials = 6
shadow_trials = 3

[attack.membership]
users = 16
canaries = 16
trainings = 12
rounds = 2
steps = 2
epsilons = [1.0]

[attack.promotion]
items = 2
rounds = 1
users = 40
"""


def recipe_file(directory: Path, text: str = SHOPS) -> Path:
    """The recipe as a file."""
    path = directory / "shops.toml"
    path.write_text(text, encoding="utf-8")
    return path


@cache
def world(directory: Path) -> World:
    """Its platforms, prepared once."""
    recipe: Recipe = load_recipe(str(recipe_file(directory)))
    encoder = load_encoder(recipe.encoder)
    platforms = platforms_of(recipe, None, 0, encoder, lambda *_: None)
    return World(recipe=recipe, platforms=platforms, encoder=encoder, seed=0)
