"""What is measured without a server: the plain product, one event into a state, the index."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.serving.node import vectors
from clients.bundle import Bundle, load_bundle
from clients.bundle_shelf import BundleShelf
from clients.content_file import ContentPart
from clients.data.dataset import Histories
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.recommenders.fusion import COLD_PART
from clients.recommenders.local_parts import FEDERATED_PARTS, RELEASED_PART
from clients.serving.config import ServingConfig
from clients.serving.model import ServedModel
from clients.serving.states import UserStates
from clients.training.config import ContentTuning
from clients.training.personalise import untouched
from shared.keyfile import load_identity
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content

BEST = 100


def opened(home: NodeHome) -> tuple[Bundle, Histories]:
    """The node's bundle and histories."""
    catalogue, histories = NodeStore(home).load()
    signer = load_identity(home.identity).public_key()
    return load_bundle(BundleShelf(home.models).current, signer, catalogue), histories


def product(items: int, repeats: int = 30) -> dict[str, Any]:
    """The baseline: one matrix product and a top-k for one user."""
    matrix, query = torch.from_numpy(vectors(items, 512)), torch.randn(512)
    found = _timed(lambda: torch.topk(matrix @ query, 10), repeats)
    return {"what": "torch matmul and topk, no service"} | found


def fold(bundle: Bundle, histories: Histories, repeats: int = 200) -> dict[str, Any]:
    """One event into a state, the disk left out."""
    states = UserStates(bundle.personal, 1000)
    wholes = [histories.take([row]) for row in range(repeats)]
    for whole in wholes:
        states.queries(whole.without_last(1))
    users = iter([wholes[0], *wholes])
    return {"what": "one event into a state"} | _timed(lambda: states.advance(next(users)), repeats)


def index(bundle: Bundle, histories: Histories, users: int = 40) -> dict[str, Any]:
    """Recall of the best unseen items beside the exact scores of the same users."""
    config = ServingConfig()
    served = ServedModel(bundle, config)
    exact = ServedModel(replace(bundle, index=None), config)
    chosen = np.random.default_rng(3).choice(len(histories), users, replace=False)
    recall = []
    for row in chosen:
        history = histories.take([row])
        ours, theirs = (_best(model, history) for model in (served, exact))
        recall.append(len(np.intersect1d(ours, theirs)) / BEST)
    one = iter([histories.take([row]) for row in range(users + 1)])
    found = _timed(lambda: served.score(next(one)), users)
    again = iter([histories.take([row]) for row in range(6)])
    whole = _timed(lambda: exact.score(next(again)), 5)
    return {
        "what": "index: candidates scored",
        "recall": float(np.mean(recall)),
        "worst_recall": min(recall),
        "exact_cpu_ms": whole["cpu_ms"],
    } | found


def cold_apart(bundle: Bundle, histories: Histories, users: int = 200) -> dict[str, Any]:
    """Candidates where cold items have the weights of all others, beside weights of their own."""
    facts = bundle.manifest
    own = {name: 2 * weight for name, weight in facts.fusion.weights.items()}
    fusion = facts.fusion.model_copy(update={"cold": own | {COLD_PART: 1.0}})
    manifest = facts.model_copy(update={"fusion": fusion})
    models = [
        ServedModel(one, ServingConfig()) for one in (bundle, replace(bundle, manifest=manifest))
    ]
    users_met = [histories.take([row]) for row in range(users + 1)]
    costs = [list[float](), list[float]()]
    for history in users_met:  # in turn, so that what else the machine does falls on both
        for model, spent in zip(models, costs, strict=True):
            began = time.process_time()
            model.score(history)
            spent.append(1e3 * (time.process_time() - began))
    alike, apart = (float(np.median(spent[1:])) for spent in costs)
    what = "index: candidates scored, cold items weighed like others"
    return {"what": what, "cpu_ms": alike, "apart_cpu_ms": apart, "ratio": alike / apart}


def released_parts(bundle: Bundle, histories: Histories, users: int = 40) -> list[dict[str, Any]]:
    """What a list costs with the parts of a release, beside the same lists without them."""
    rows: list[dict[str, Any]] = []
    for parts in ((), (RELEASED_PART,), FEDERATED_PARTS):
        cost = _list_cost(_with_parts(bundle, parts), histories, users)
        alone = rows[0] if rows else cost
        what = " and ".join(("one list by the node's own parts", *parts))
        rows.append({"what": what, "ratio": cost["cpu_ms"] / alone["cpu_ms"]} | cost)
    return rows


def _with_parts(bundle: Bundle, parts: tuple[str, ...]) -> ServedModel:
    """The bundle beside untrained models of a release, `parts` of which have a weight."""
    facts = bundle.manifest
    weights = {**facts.fusion.weights, **dict.fromkeys(parts, 1.0)}
    fusion = facts.fusion.model_copy(update={"weights": weights})
    shape = ContentConfig(item_dim=facts.model.item_dim)
    vectors = bundle.personal.items.vectors
    whole = replace(
        bundle,
        manifest=facts.model_copy(update={"fusion": fusion}),
        released=untouched(facts.model, initial_parameters(facts.model, 1), vectors),
        content=ContentPart(shape, initial_content(shape, 1), ContentTuning().draws),
    )
    return ServedModel(whole, ServingConfig())


def _list_cost(model: ServedModel, histories: Histories, users: int) -> dict[str, float]:
    ones = iter([histories.take([row]) for row in range(users + 1)])
    return _timed(lambda: model.score(next(ones)), users)


def _best(model: ServedModel, history: Histories) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = model.score(history)[0].candidates()
    scores = np.where(np.isin(found.items, history.items), -np.inf, found.scores)
    return np.asarray(found.items[np.argpartition(-scores, BEST)[:BEST]])


def _timed(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Medians after one call that does not count."""
    work()
    wall, cpu = [], []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    wall.sort()
    cpu.sort()
    return {
        "p50_ms": 1e3 * wall[repeats // 2],
        "p99_ms": 1e3 * wall[int(0.99 * (repeats - 1))],
        "cpu_ms": 1e3 * cpu[repeats // 2],
    }
