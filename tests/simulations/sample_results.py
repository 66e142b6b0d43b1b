"""Results of a run that never was, complete enough for the table and the report."""

from typing import Any

from simulations.results import SYSTEMS, PlatformResults, Results, macro


def system_values(ndcg: float, **extra: Any) -> dict[str, Any]:
    """Metrics that grow with `ndcg`."""
    names = ("hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr", "ild@10")
    factors = {"hr@10": 2.0, "ndcg@10": 1.0, "hr@20": 3.0, "ndcg@20": 1.2, "mrr": 0.9}
    values = {name: ndcg * factor for name, factor in factors.items()}
    errors = dict.fromkeys(names, 0.01)
    return {**values, "coverage@10": 0.3, "ild@10": 0.6, "se": errors, **extra}


def platform(scale: float, uplift: tuple[float, float, float]) -> PlatformResults:
    """What the demo runs, TF-IDF at ``NDCG@10 = scale``, three rounds."""
    ran = [s for s in SYSTEMS if not s.startswith("released") and "vae_gan" not in s]
    systems = {s: system_values(scale * (1 + i / 10)) for i, s in enumerate(ran)}
    systems["tfidf"] = system_values(scale)
    for name in ("federated_dp_lstm", "fusion"):
        systems[name]["epsilon"] = 7.9
    mean, low, high = uplift
    intervals = {
        metric: {"mean": mean, "low": low, "high": high} for metric in ("ndcg@10", "hr@10")
    }
    curves = [
        {"round": r, "ndcg@10": scale * r / 3, "system": s}
        for s in ("federated_lstm", "federated_dp_lstm")
        for r in range(4)
    ]
    part = {"users": 40, "hr@10": 0.1, "ndcg@10": 0.05}
    return PlatformResults.model_validate(
        {
            "users": 120,
            "items": 60,
            "interactions": 900,
            "epsilon": 7.9,
            "delta": 1e-4,
            "systems": systems,
            "uplift": {"fusion_vs_local": intervals},
            "local_fusion": system_values(scale * 1.1),
            "fusion_weights": {"item_knn": 0.7, "federated_dp_lstm": 0.3, "popularity": 0.0},
            "curves": curves,
            "privacy": [{"round": r, "epsilon": 2.6 * r} for r in range(4)],
            "slices": {"history 3-4": {"fusion": part, "tfidf": part}},
        }
    )


def sample(**changes: Any) -> Results:
    """Two platforms: one gains by joining, the other loses."""
    platforms = {
        "books": platform(0.04, (0.01, 0.004, 0.017)),
        "games": platform(0.02, (-0.005, -0.009, -0.001)),
    }
    values: dict[str, Any] = {
        "schema": 1,
        "recipe": "quickstart",
        "seed": 1,
        "git": "0123abc",
        "platforms": platforms,
        "macro": macro(platforms),
        "timings": {"total": 12.5, "train": 10.0},
        "bytes": {"up": 123_456, "down": 654_321},
    }
    return Results.model_validate(values | changes)


def sharing_noise() -> Results:
    """As `sample`, with noise that three platforms of every sum complete for each other."""
    changes = {"epsilon_trusts": 3, "epsilon_alone": 31.0}
    platforms = {n: p.model_copy(update=changes) for n, p in sample().platforms.items()}
    return sample(platforms=platforms)
