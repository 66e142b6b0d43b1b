"""Figures on validation items."""

from __future__ import annotations

from clients.evaluation.metrics import hit, ndcg
from clients.evaluation.ranking import Scorer, evaluate
from simulations.platforms import LabPlatform


def figures(scorer: Scorer, platform: LabPlatform) -> dict[str, float]:
    """HR@10 and NDCG@10 of a scorer on the platform's validation items."""
    fold = platform.split.validation
    ranks = evaluate(scorer, fold.contexts, fold.targets).ranks
    return {
        "hr@10": round(float(hit(ranks, 10).mean()), 4),
        "ndcg@10": round(float(ndcg(ranks, 10).mean()), 4),
    }
