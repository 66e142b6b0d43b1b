"""``python -m benchmarks.quality.ceiling``: what joining could gain at most, on validation items.

Gives each platform's own fusion what no federation may give: exact counts over everybody's
purchases, and a model trained on all of them pooled, without noise. What that does not gain, no
private release of the same kind can. Half of the validation users choose the weights, the other
half are ranked, then the other way round; test items are not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.quality.pooled import customers_of_transitions, everybodys, transitions_of_several
from benchmarks.report import Row, write_report
from clients.data.dataset import Float64s
from clients.evaluation.bootstrap import macro_difference
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import Scorer, pessimistic_ranks, unseen_scores
from clients.evaluation.split import Fold
from clients.recommenders.behaviour import BehaviourScorer
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import learn_weights
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.local_parts import MODEL_PART, UNTRAINED_PART
from clients.recommenders.popularity import Popularity
from clients.recommenders.transitions import Transitions
from clients.training.personalise import personalise
from shared.models.behaviour_parameters import initial_parameters
from shared.models.encoders import load_encoder
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from simulations.baselines import fusion_parts
from simulations.centralised import train_centralised
from simulations.platforms import LabPlatform, platforms_of
from simulations.recipe import CentralisedRecipe, Recipe, load_recipe

POOLED_STEPS: Final = 120
"""More steps fit the pooled users' purchases worse."""
POOLED: Final = "LSTM trained on everybody's purchases"
SEVERAL: Final = (2, 3)
"""Customers of a transition that is left where rarer ones are dropped."""
REVEALING: Final = (2, 3, 5, 8)
"""Customers that a pair of articles has at least."""
Parts = Mapping[str, Part]


def main() -> None:
    """Weigh every addition on every platform and report it beside the fusion without it."""
    options = _options()
    torch.set_num_threads(1)
    recipe = load_recipe(options.recipe, options.set)
    folder = options.data if recipe.data.source == "folder" else None
    encoder = load_encoder(recipe.encoder)
    platforms = platforms_of(recipe, folder, options.seed, encoder, lambda *_: None)
    settings = CentralisedRecipe(steps=options.steps)
    pooled = train_centralised(platforms, recipe.model, settings, options.seed, lambda *_: None)
    found: dict[str, list[Float64s]] = {}
    for platform in platforms:
        if options.skip_largest and platform is max(platforms, key=lambda p: len(p.split.training)):
            continue
        for name, values in _figures(recipe, platforms, platform, pooled, options.seed):
            found.setdefault(name, []).append(values)
            print(f"{platform.name}: {name} {values.mean():.4f}", flush=True)
    rows = [_row(name, values, found[""], options.seed) for name, values in found.items()]
    write_report("ceiling", [*rows, _transitions(platforms)], [])
    for row in rows:
        print(row)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.quality.ceiling", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/amazon_bst"))
    parser.add_argument("--recipe", default="giant-and-small")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=7, help="another than the tables' seeds")
    parser.add_argument("--steps", type=int, default=POOLED_STEPS, help="of the pooled model")
    parser.add_argument("--skip-largest", action="store_true", help="leave the giant out")
    return parser.parse_args()


def _figures(
    recipe: Recipe,
    platforms: Sequence[LabPlatform],
    mine: LabPlatform,
    pooled: Float32s,
    seed: int,
) -> Iterator[tuple[str, Float64s]]:
    """Name of an addition ("" is none) and (U,) NDCG@10 of the fusion with it."""
    own = fusion_parts(mine, _models(recipe, mine, seed))
    yield "", crossfitted(own, mine.split.validation)
    everything = {
        **exact_counts(platforms, mine),
        POOLED: Part(_scorer(recipe, pooled, mine), own[UNTRAINED_PART].kind),
    }
    for name, part in everything.items():
        yield name, crossfitted({**own, name: part}, mine.split.validation)
    yield "all of them", crossfitted({**own, **everything}, mine.split.validation)


def _models(recipe: Recipe, mine: LabPlatform, seed: int) -> dict[str, Scorer]:
    """The platform's own LSTM, and the public first weights that need no federation either."""
    start, split = initial_parameters(recipe.model, seed), mine.split
    own = personalise(
        recipe.model,
        start,
        mine.vectors,
        split.training,
        split.validation,
        recipe.personalisation,
        seed=seed,
    )
    return {MODEL_PART: own.scorer(), UNTRAINED_PART: _scorer(recipe, start, mine)}


def _scorer(recipe: Recipe, parameters: Float32s, mine: LabPlatform) -> BehaviourScorer:
    return BehaviourScorer(recipe.model, parameters, ItemMatrix(vectors=mine.vectors))


def exact_counts(platforms: Sequence[LabPlatform], mine: LabPlatform) -> dict[str, Part]:
    """Counts over all platforms' training histories, which no platform may compute."""
    pool = everybodys(platforms, mine)
    kinds: dict[str, Callable[[], Scorer]] = {
        "everybody's popularity": lambda: Popularity(half_life=1.0).fit(pool, mine.catalogue),
        "everybody's item kNN": lambda: ItemKNN(decay=0.8).fit(pool, mine.catalogue),
        "everybody's transitions": lambda: Transitions().fit(pool, mine.catalogue),
    }
    for least in SEVERAL:
        of_several = partial(transitions_of_several, pool, mine.catalogue, least)
        kinds[f"transitions of {least} customers or more"] = of_several
    return {name: Part(make(), "shares") for name, make in kinds.items()}


def crossfitted(parts: Parts, validation: Fold, *, seed: int = 0) -> Float64s:
    """(U,) NDCG@10 of each validation user under the weights that the other half chose."""
    order = np.random.default_rng(seed).permutation(len(validation))
    halves = np.sort(order[::2]), np.sort(order[1::2])
    found = np.zeros(len(validation))
    for asked, told in (halves, halves[::-1]):
        fusion = learn_weights(parts, validation.take(told), seed=seed).fusion(parts)
        fold = validation.take(asked)
        found[asked] = ndcg(
            pessimistic_ranks(unseen_scores(fusion, fold.contexts), fold.targets), 10
        )
    return found


def _row(name: str, values: Sequence[Float64s], base: Sequence[Float64s], seed: int) -> Row:
    alone = float(np.mean([b.mean() for b in base]))
    gain = macro_difference(list(zip(values, base, strict=True)), seed=seed)
    return {
        "added": name or "nothing",
        "ndcg@10": float(np.mean([v.mean() for v in values])),
        **{key: getattr(gain, key) / alone for key in ("mean", "low", "high")},
        "platforms": len(values),
    }


def _transitions(platforms: Sequence[LabPlatform]) -> Row:
    """Share of the customers' transitions that several customers made."""
    counts = customers_of_transitions(platforms)
    shares = {
        f"by {least} or more": float(counts[counts >= least].sum() / counts.sum())
        for least in REVEALING
    }
    return {"transitions": len(counts), **shares}


if __name__ == "__main__":
    main()
