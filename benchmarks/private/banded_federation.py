"""Banded against independent noise in federated runs at equal epsilon, on generated platforms.

Plan, ledger, masks and accounting are those of a real run; what is compared is NDCG@10 of the
released global model, not personalised, on users' last items.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import evaluate
from clients.evaluation.split import leave_one_out
from clients.recommenders.behaviour import BehaviourScorer
from shared.models.config import BehaviourConfig, EncoderChoice
from shared.models.encoders import load_encoder
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.plan import Aggregation, LocalSteps, PrivacyTerms
from simulations.datasets.generated import GeneratorSettings, load_generated
from simulations.federated import FederatedLab, FederatedTask
from simulations.platforms import LabPlatform, names, prepare

ENCODER = "hashed-words"
MODEL = BehaviourConfig(item_dim=128, adapter_dim=128, history_length=10)
RATES = (0.01, 0.03, 0.1)
"""Learning rates of the nodes, of which each kind of noise takes its best."""
TEST_USERS = 4000
"""Users of a platform on whom a model is ranked."""


def row(users: int, epsilon: float, bands: Sequence[int], repeats: int) -> dict[str, Any]:
    """NDCG@10 by number of bands, each at its best of `RATES`."""
    best = {str(count): _best(users, epsilon, count, repeats) for count in bands}
    return {
        "what": "banded noise, federated quality",
        "compared_with": "independent Gaussian noise (1 band) at equal epsilon, same data",
        "users": users,
        "epsilon": epsilon,
        "learning_rate": {count: rate for count, (rate, _) in best.items()},
        "ndcg@10": {count: statistics.mean(runs) for count, (_, runs) in best.items()},
        "runs": {count: runs for count, (_, runs) in best.items()},
    }


def _best(users: int, epsilon: float, bands: int, repeats: int) -> tuple[float, list[float]]:
    """Learning rate with the highest mean, and its runs with fresh noise and initial weights."""
    terms = PrivacyTerms(epsilon=epsilon, bands=bands)
    runs = {r: [quality(users, terms, r, seed) for seed in range(repeats)] for r in RATES}
    return max(runs.items(), key=lambda entry: statistics.mean(entry[1]))


def quality(users: int, terms: PrivacyTerms, learning_rate: float, seed: int) -> float:
    """One run: mean over platforms of the released model's NDCG@10."""
    platforms = _platforms(users)
    task = FederatedTask(
        names=names(platforms),
        encoder=EncoderChoice(name=ENCODER, fingerprint=load_encoder(ENCODER).fingerprint),
        model=MODEL,
        local=LocalSteps(steps=8, batch_users=1024, learning_rate=learning_rate),
        aggregation=Aggregation(),
        rounds=10,
        privacy=terms,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as directory:
        data = [platform.training_data() for platform in platforms]
        released = FederatedLab(Path(directory), task, data).run("grid", _silent).released
    return statistics.mean(_ndcg(platform, released) for platform in platforms)


def _ndcg(platform: LabPlatform, released: Float32s) -> float:
    test = platform.split.test.take(np.arange(min(TEST_USERS, len(platform.split.test))))
    scorer = BehaviourScorer(MODEL, released, ItemMatrix(vectors=platform.vectors))
    return float(ndcg(evaluate(scorer, test.contexts, test.targets).ranks, 10).mean())


@cache
def _platforms(users: int) -> list[LabPlatform]:
    settings = GeneratorSettings(users=(users, users), items=(300, 300), events_per_user=8.0)
    return prepare(load_generated(settings), load_encoder(ENCODER), MODEL, leave_one_out, _silent)


def _silent(done: int, total: int, note: str = "") -> None:
    """Progress is not shown."""
