"""Results of attacks for tests of what is shown of them."""

from __future__ import annotations

from simulations.attacks.results import AttackResults

HALF = {"mean": 0.5, "low": 0.4, "high": 0.6}


def _inversion(setting: str, view: str, users: int) -> dict[str, object]:
    return {
        "setting": setting, "view": view, "batch_users": users, "steps": 1, "trials": 3,
        "items": 9.0, "recall": {"mean": 0.91, "low": 0.88, "high": 0.94}, "chance": 0.03,
        "auc": HALF,
    }  # fmt: skip


def _membership(claim: float | None, bound: float) -> dict[str, object]:
    return {
        "setting": "plain" if claim is None else "dp", "view": "update", "group": "canaries",
        "claimed_epsilon": claim, "delta": 1e-5, "coins": 100, "auc": HALF, "tpr": HALF,
        "epsilon_bound": bound, "largest_bound": 5.0,
    }  # fmt: skip


def _promotion(conduct: str, shift: float | None) -> dict[str, object]:
    interval = None if shift is None else {"mean": shift, "low": shift - 9, "high": shift + 9}
    return {
        "conduct": conduct, "norm_bound": 0.0, "update_norm": 8.0, "items": 2,
        "refused_sums": 2 if shift is None else 0, "refused_releases": 1, "unweighted_releases": 0,
        "catalogue": 339.0, "released_rank": interval, "released_shift": interval,
        "served_rank": interval, "served_shift": interval, "served_top_10": None,
        "refused_alone": 1, "quality": None,
    }  # fmt: skip


def sample_attacks(bound: float = 0.2, recipe: str = "quickstart") -> AttackResults:
    """Some of every attack; `bound` is what the audit shows of a claim of 1."""
    return AttackResults.model_validate(
        {
            "schema": 1, "recipe": recipe, "seed": 0, "git": "", "victim": "action",
            "partners": 3, "epsilon": 8.0,
            "inversion": [_inversion("plain", "update", n) for n in (1, 4)],
            "membership": [_membership(None, 4.5), _membership(1.0, bound)],
            "promotion": [_promotion("honest", 0), _promotion("boosted", 120),
                          _promotion("over_the_norm", None)],
        }
    )  # fmt: skip
