"""The federation under attack: platforms of a recipe, plans for them, keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig, EncoderChoice
from shared.models.encoders import TextEncoder
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.plan import Aggregation, LocalSteps, Partner, PrivacyTerms, TrainingPlan
from simulations.attacks.errors import TooFewToAttackError
from simulations.platforms import LabPlatform
from simulations.recipe import Recipe

FEWEST_PARTNERS = 3
"""Of whom secure aggregation opens a sum."""


@dataclass(frozen=True)
class World:
    """What all attacks are run on.

    Attributes
    ----------
    recipe
        Shapes, terms and settings.
    platforms
        Three or more; the first one is the victim of inversion and membership inference.
    encoder
        The text encoder that all of them use.
    seed
        Of everything that is not privacy.

    Raises
    ------
    TooFewToAttackError
    """

    recipe: Recipe
    platforms: Sequence[LabPlatform]
    encoder: TextEncoder
    seed: int

    def __post_init__(self) -> None:
        if len(self.platforms) < FEWEST_PARTNERS:
            raise TooFewToAttackError(
                f"{len(self.platforms)} platforms; a masked sum takes {FEWEST_PARTNERS}"
            )

    @property
    def model(self) -> BehaviourConfig:
        """Shape of the behaviour model."""
        return self.recipe.model

    @cached_property
    def first_weights(self) -> Float32s:
        """(P,) the public first global model."""
        return initial_parameters(self.model, self.seed)

    def items(self, index: int) -> ItemMatrix:
        """The catalogue of platform `index`."""
        return ItemMatrix(vectors=self.platforms[index].vectors)

    def cohort(
        self,
        declared: Sequence[int],
        *,
        rounds: int,
        local: LocalSteps,
        privacy: PrivacyTerms | None,
        update_norm: float = 0.0,
    ) -> Cohort:
        """Partners 1, 2, ... of one plan, who declare so many users, with keys made for it."""
        keys = {number: Ed25519PrivateKey.generate() for number in range(1, len(declared) + 1)}
        partners = tuple(
            Partner(
                id=number,
                name=self.platforms[number - 1].name,
                identity=key.public_key().public_bytes_raw().hex(),
                declared_users=declared[number - 1],
            )
            for number, key in keys.items()
        )
        terms = self.recipe.federation.aggregation
        plan = TrainingPlan(
            run_id=secrets.token_hex(16),
            purpose="an attack in the laboratory",
            rounds=rounds,
            partners=partners,
            encoder=EncoderChoice(name=self.recipe.encoder, fingerprint=self.encoder.fingerprint),
            model=self.model,
            initial_seed=self.seed,
            local=local,
            aggregation=Aggregation(
                weights="equal",
                update_range=terms.update_range,
                update_norm=update_norm,
                suite=terms.suite,
            ),
            privacy=privacy,
        )
        return Cohort(plan=plan, keys=keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """A plan and its partners' identity keys."""

    plan: TrainingPlan
    keys: Mapping[int, Ed25519PrivateKey]
