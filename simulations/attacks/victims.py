"""A partner that is promoted at: its lists with a release, as its node would make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import Scorer, evaluate, pessimistic_ranks, unseen_scores
from clients.evaluation.split import Fold
from clients.gate import CUT, DEFAULTS, GateDecision, decide
from clients.recommenders.behaviour import BehaviourScorer
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import Fusion, learn_weights
from clients.recommenders.local_parts import (
    JOINED_PARTS,
    MODEL_PART,
    RELEASED_PART,
    UNTRAINED_PART,
    fit_local_parts,
    fusion_parts,
)
from clients.training.personalise import PersonalModel, personalise
from shared.models.parameters import Float32s
from shared.progress import Step
from simulations.attacks.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What a release does to one item at one victim.

    Attributes
    ----------
    released, served
        (B,) rank of the item for each user: in the released model alone, and in what is served.
    weight
        Of the release in the fusion: on warm or on cold items, whichever is larger.
    decision
        The gate's, between the fusions with and without the release: what a node decides.
    alone
        The same between the release's model and the untrained one, nothing else beside them.
    """

    released: Int64s
    served: Int64s
    weight: float
    decision: GateDecision
    alone: GateDecision


class Victim:
    """One partner, with everything that it has without the federation.

    Parameters
    ----------
    world, index
        Which platform.
    step
        Told of the training of its own model.
    """

    def __init__(self, world: World, index: int, step: Step) -> None:
        self._world, self.platform = world, world.platforms[index]
        self._items = world.items(index)
        self._users: Fold = self.platform.split.test.sample(
            world.recipe.attack.promotion.users, world.seed
        )
        models: dict[str, Scorer] = {
            MODEL_PART: self._own(step).scorer(),
            UNTRAINED_PART: self._scorer(world.first_weights),
        }
        local = fit_local_parts(self.platform.split.training, self.platform.catalogue)
        self._alone = fusion_parts(local, models)

    def lists(self, released: Float32s, item: int) -> Lists:
        """Ranks of `item` under the (P,) parameters of a release, its weight and the verdict."""
        scorer = self._scorer(released)
        parts = {**self._alone, RELEASED_PART: Part(scorer, "logits")}
        joined, weight = self._fused(parts)
        decision = self._decided(joined, self._quality_of_fusion)
        served = joined if decision.accepted else self._fusion_alone
        return Lists(
            released=self._ranks(scorer, item),
            served=self._ranks(served, item),
            weight=weight,
            decision=decision,
            alone=self._decided(scorer, self._quality_of_untrained),
        )

    def _decided(self, new: Scorer, served: Float64s) -> GateDecision:
        """`clients.gate.gate`, the served one's figures being known."""
        return decide(self._quality(new), served, seed=self._world.seed)

    def _quality(self, scorer: Scorer) -> Float64s:
        """(B,) NDCG@10 of the gate's users."""
        fold = self.platform.split.test.sample(DEFAULTS.max_users, self._world.seed)
        return ndcg(evaluate(scorer, fold.contexts, fold.targets).ranks, CUT)

    @cached_property
    def _quality_of_fusion(self) -> Float64s:
        return self._quality(self._fusion_alone)

    @cached_property
    def _quality_of_untrained(self) -> Float64s:
        return self._quality(self._scorer(self._world.first_weights))

    @cached_property
    def _fusion_alone(self) -> Fusion:
        return self._fused(self._alone)[0]

    def _fused(self, parts: Mapping[str, Part]) -> tuple[Fusion, float]:
        validation = self.platform.split.validation
        learned = learn_weights(parts, validation, joined=JOINED_PARTS, seed=self._world.seed)
        kinds = (learned.weights, learned.cold)
        return learned.fusion(parts), max(kind.get(RELEASED_PART, 0.0) for kind in kinds)

    def _ranks(self, scorer: Scorer, item: int) -> Int64s:
        """(B,) rank among what each user has not had; users who have had the item are left out."""
        contexts = self._users.contexts
        without = [row for row in range(len(contexts)) if item not in contexts.items_of(row)]
        scores = unseen_scores(scorer, contexts.take(without))
        return pessimistic_ranks(scores, np.full(len(without), item, dtype=np.int32))

    def _own(self, step: Step) -> PersonalModel:
        split = self.platform.split
        return personalise(
            self._world.model,
            self._world.first_weights,
            self.platform.vectors,
            split.training,
            split.validation,
            self._world.recipe.personalisation,
            seed=self._world.seed,
            progress=lambda done, most: step(done, most, self.platform.name),
        )

    def _scorer(self, parameters: Float32s) -> BehaviourScorer:
        return BehaviourScorer(self._world.model, parameters, self._items)
