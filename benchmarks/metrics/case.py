"""A seeded case both sides compute: scores, histories, targets, item vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from clients.data.dataset import Histories
from clients.evaluation.ranking import Float32s, evaluate
from clients.evaluation.summary import per_user, summary

DIMENSIONS = 4


def random_case(users: int, items: int, seed: int) -> dict[str, Any]:
    """Plain lists; every user's scores are a permutation, so that no two items tie."""
    rng = np.random.default_rng(seed)
    seen = [rng.choice(items, rng.integers(1, items // 3), replace=False) for _ in range(users)]
    targets = [rng.choice(np.setdiff1d(np.arange(items), s)) for s in seen]
    popularity = np.linspace(0, 8, items)  # shared taste, so that lists do not cover everything
    scores = [np.argsort(np.argsort(popularity + rng.normal(size=items))) for _ in range(users)]
    for user in range(0, users, 2):  # every second target is near the top, as of a good model
        place = int(np.flatnonzero(scores[user] == items - 1 - user % 7)[0])
        target = targets[user]
        scores[user][[place, target]] = scores[user][[target, place]]
    return {
        "scores": [row.tolist() for row in scores],
        "histories": [row.tolist() for row in seen],
        "targets": [int(target) for target in targets],
        "vectors": rng.normal(size=(items, DIMENSIONS)).round(3).tolist(),
    }


def ours(case: dict[str, Any]) -> dict[str, Any]:
    """Metric → value: ``"users"`` a list per metric, ``"all"`` the aggregate."""
    vectors = np.array(case["vectors"], dtype=np.float32)
    result = evaluate(_Table(case["scores"]), _histories(case), np.array(case["targets"]))
    means = summary(result, vectors)
    means.pop("se")
    return {"users": {k: v.tolist() for k, v in per_user(result).items()}, "all": means}


class _Table:
    """Scores looked up by the user's number."""

    def __init__(self, scores: list[list[int]]) -> None:
        self._scores = np.array(scores, dtype=np.float32)

    def scores(self, histories: Histories) -> Float32s:
        return self._scores[[int(user) for user in histories.users]]


def _histories(case: dict[str, Any]) -> Histories:
    rows = case["histories"]
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    return Histories(
        users=tuple(str(i) for i in range(len(rows))),
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
        items=flat,
        events=np.zeros(len(flat), dtype=np.int8),
        times=np.zeros(len(flat)),
        ordinal=True,
    )
