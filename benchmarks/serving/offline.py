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
from clients.data.dataset import Histories
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.serving.config import ServingConfig
from clients.serving.model import ServedModel
from clients.serving.states import UserStates
from shared.keyfile import load_identity

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
