"""Item promotion measured: at the victims' released models, fusions and gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clients.data.dataset import Float64s
from clients.item_space import catalogue_vectors
from clients.node_data import TrainingData
from shared.models.encoders import EncodingCache
from shared.models.parameters import Float32s
from shared.progress import Step
from shared.secagg.errors import SumBoundError
from simulations.attacks.observing import HonestParty, Party, Watched, watch
from simulations.attacks.promotion import attacker, poisoned
from simulations.attacks.results import Conduct, PromotionRow, shown
from simulations.attacks.statistics import mean_interval
from simulations.attacks.victims import Lists, Victim
from simulations.attacks.world import Cohort, World
from simulations.federated import declared_users
from simulations.platforms import cache_directory
from simulations.results import UpliftInterval

CONDUCTS: Final[tuple[Conduct, ...]] = (
    "honest",
    "poisoned",
    "boosted",
    "over_the_norm",
    "within_the_norm",
)
NORMED: Final[tuple[Conduct, ...]] = ("over_the_norm", "within_the_norm")
_ROOM: Final = 1.05
"""Norm that the plan sets, in units of the longest honest update seen without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """An item of a victim (an index from 0 among the platforms), and its place in a catalogue."""

    victim: int
    item: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One promotion of one item, as it is kept.

    Attributes
    ----------
    norm_bound, update_norm
        Of the plan, and of the attacker's update (mean over rounds).
    refused_sum
        The sum was out of bounds and the training ended.
    refused_release, weight
        The gate's verdict and the fusion's weight.
    catalogue, released, served, top_10
        Items of the victim, mean ranks in the released model and as served, and share of users with
        the item among their first ten.
    refused_alone, quality
        The verdict on the release's model held against the untrained one, without fusion, and the
        change of NDCG@10.
    """

    norm_bound: float
    update_norm: float
    refused_sum: bool
    refused_release: bool = False
    weight: float = 0.0
    catalogue: int = 0
    released: float = 0.0
    served: float = 0.0
    top_10: float = 0.0
    refused_alone: bool = False
    quality: float = 0.0


class Promotions:
    """Trainings in which the last platform promotes items of the others.

    Parameters
    ----------
    world
        The platforms.
    step
        Told of what is prepared.
    """

    def __init__(self, world: World, step: Step) -> None:
        self._world = world
        self._attacker = len(world.platforms)
        self.items = _chosen(world)
        self._victims = {
            index: Victim(world, index, step) for index in {one.victim for one in self.items}
        }
        self._vectors = _extended(world, self.items)

    def norm(self) -> float:
        """Norm for plans that set one: the longest update of an honest training, and room."""
        seen = self._train("honest", 0, 0.0)
        lengths = [np.linalg.norm(u) for r in seen.rounds for u in r.updates.values()]
        return _ROOM * float(max(lengths))

    def run(self, conduct: Conduct, number: int, norm: float) -> Outcome:
        """Promote item `number` of `items`; `norm` is that of plans that set one."""
        bound = norm if conduct in NORMED else 0.0
        uploads = list[float]()
        try:
            seen = self._train(conduct, number, bound, uploads)
        except SumBoundError:
            return Outcome(norm_bound=bound, update_norm=float(np.mean(uploads)), refused_sum=True)
        promoted = self.items[number]
        victim = self._victims[promoted.victim]
        lists = victim.lists(seen.released, promoted.item)
        size = len(victim.platform.catalogue)
        return _outcome(lists, size, bound, float(np.mean(uploads)))

    def _train(
        self, conduct: Conduct, number: int, norm: float, uploads: list[float] | None = None
    ) -> Watched:
        cohort = self._cohort(norm)
        parties: dict[int, Party] = {
            partner: HonestParty(
                cohort.plan, partner, self._world.platforms[partner - 1].training_data()
            )
            for partner in range(1, self._attacker)
        }
        data = self._data(conduct, number)
        malicious = attacker(conduct, cohort.plan, self._attacker, data)
        parties[self._attacker] = _Measured(malicious, uploads if uploads is not None else [])
        return watch(cohort, parties)

    def _data(self, conduct: Conduct, number: int) -> TrainingData:
        """The attacker's catalogue lists the items; its users end in the promoted one."""
        platform = self._world.platforms[-1]
        training = platform.split.training
        if conduct != "honest":
            place = len(platform.catalogue) + number
            training = poisoned(training, place, self._world.seed)
        return TrainingData.of(training, self._vectors)

    def _cohort(self, norm: float) -> Cohort:
        terms = self._world.recipe.federation
        return self._world.cohort(
            [declared_users(len(p.split.training)) for p in self._world.platforms],
            rounds=self._world.recipe.attack.promotion.rounds,
            local=terms.local,
            privacy=terms.privacy.model_copy(update={"noise": "local", "bands": 1}),
            update_norm=norm,
        )


class _Measured:
    """A party whose updates' norms are written down."""

    def __init__(self, party: Party, norms: list[float]) -> None:
        self._party, self._norms = party, norms

    def update(self, model: Float32s) -> Float32s:
        update = self._party.update(model)
        self._norms.append(float(np.linalg.norm(update)))
        return update


def promotion_row(
    conduct: Conduct, outcomes: Sequence[Outcome], honest: Sequence[Outcome]
) -> PromotionRow:
    """One conduct over all items, against the honest training."""
    through = [(o, h) for o, h in zip(outcomes, honest, strict=True) if not o.refused_sum]
    let_in = [o for o, _ in through if not o.refused_release]

    def interval(values: list[float]) -> UpliftInterval | None:
        return shown(mean_interval(values)) if len(values) > 1 else None

    return PromotionRow(
        conduct=conduct,
        norm_bound=float(np.mean([o.norm_bound for o in outcomes])),
        update_norm=float(np.mean([o.update_norm for o in outcomes])),
        items=len(outcomes),
        refused_sums=len(outcomes) - len(through),
        refused_releases=len(through) - len(let_in),
        unweighted_releases=sum(not o.weight for o in let_in),
        refused_alone=sum(o.refused_alone for o, _ in through),
        catalogue=float(np.mean([h.catalogue for h in honest])),
        released_rank=interval([o.released for o, _ in through]),
        released_shift=interval([h.released - o.released for o, h in through]),
        served_rank=interval([o.served for o, _ in through]),
        served_shift=interval([h.served - o.served for o, h in through]),
        served_top_10=interval([o.top_10 for o, _ in through]),
        quality=interval([o.quality for o, _ in through]),
    )


def _outcome(lists: Lists, catalogue: int, bound: float, norm: float) -> Outcome:
    served: Float64s = lists.served.astype(np.float64)
    return Outcome(
        norm_bound=bound,
        update_norm=norm,
        refused_sum=False,
        refused_release=not lists.decision.accepted,
        weight=lists.weight,
        catalogue=catalogue,
        released=float(lists.released.mean()),
        served=float(served.mean()),
        top_10=float((served <= 10).mean()),
        refused_alone=not lists.alone.accepted,
        quality=lists.alone.difference.mean,
    )


def _chosen(world: World) -> list[Promoted]:
    """Items with a text, of the victims in turn."""
    random = np.random.default_rng([world.seed, 2])
    found = []
    for number in range(world.recipe.attack.promotion.items):
        victim = number % (len(world.platforms) - 1)
        texts = world.platforms[victim].catalogue.texts()
        told = [place for place, text in enumerate(texts) if text]
        found.append(Promoted(victim=victim, item=int(random.choice(told))))
    return found


def _extended(world: World, items: Sequence[Promoted]) -> Float32s:
    """Item vectors of the attacker's catalogue with the texts of `items` at its end."""
    texts = world.platforms[-1].catalogue.texts()
    texts += [world.platforms[p.victim].catalogue.texts()[p.item] for p in items]
    cache = EncodingCache(world.encoder, cache_directory())
    return catalogue_vectors(cache.encode(texts), (), world.model)
