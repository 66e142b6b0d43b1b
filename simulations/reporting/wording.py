"""Names and figures as people read them; the same in the terminal and on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Final, Literal

from simulations.results import SYSTEMS, Metric, Results, UpliftInterval

Use = Literal["own data", "federation, private", "federation, no privacy", "pooled data"]

_LABELS: Final[dict[str, str]] = {
    "popularity": "popularity",
    "transitions": "last-item transitions",
    "item_knn": "item kNN",
    "tfidf": "TF-IDF",
    "item_knn_tfidf": "item kNN + TF-IDF",
    "local_lstm": "local LSTM",
    "federated_lstm": "federated LSTM, no DP",
    "federated_dp_lstm": "federated LSTM, DP",
    "released_lstm": "released LSTM, no DP",
    "released_dp_lstm": "released LSTM, DP",
    "partners_popularity": "popularity at all partners",
    "partners_item_knn": "item kNN of all partners",
    "centralised_lstm": "centralised LSTM",
    "local_vae_gan": "local VAE-GAN",
    "federated_vae_gan": "federated VAE-GAN, no DP",
    "vae_gan": "federated VAE-GAN, DP",
    "content_vae_gan": "content VAE-GAN",
    "federated_content_vae_gan": "content VAE-GAN, federated",
    "fusion": "fusion",
    "behaviour_lstm": "behaviour LSTM",
    "recent_item_knn": "item kNN, recent items",
}
_USES: Final[dict[str, Use]] = {
    "federated_lstm": "federation, no privacy",
    "federated_dp_lstm": "federation, private",
    "released_lstm": "federation, no privacy",
    "released_dp_lstm": "federation, private",
    "centralised_lstm": "pooled data",
    "federated_vae_gan": "federation, no privacy",
    "vae_gan": "federation, private",
    "fusion": "federation, private",
}
_METRIC_LABELS: Final[dict[Metric, str]] = {
    "hr@10": "HR@10",
    "ndcg@10": "NDCG@10",
    "hr@20": "HR@20",
    "ndcg@20": "NDCG@20",
    "mrr": "MRR",
    "coverage@10": "coverage@10",
    "ild@10": "diversity@10",
}
_BYTE_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


def system_label(system: str) -> str:
    """A system's name in a table."""
    return _LABELS.get(system, system.replace("_", " "))


def system_use(system: str) -> Use:
    """What a system needs to see; only the first two kinds can be had in practice."""
    return _USES.get(system, "own data")


def deployable(system: str) -> bool:
    """Whether a partner could run the system without showing anybody its data."""
    return system_use(system) in ("own data", "federation, private")


def metric_label(metric: Metric) -> str:
    """A metric's name in a heading."""
    return _METRIC_LABELS[metric]


def figure(value: float) -> str:
    """Four decimals, the leading zero left out, as tables of this field have it."""
    text = f"{value:.4f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def with_error(value: float, error: float | None) -> str:
    """A figure with its standard error."""
    return figure(value) if error is None else f"{figure(value)} ±{figure(error)}"


def change(value: float, *, relative: bool) -> str:
    """A signed difference, in percent where it is relative."""
    return f"{value:+.1%}" if relative else f"{value:+.4f}"


def interval_words(interval: UpliftInterval, *, relative: bool) -> str:
    """``interval +0.4% to +5.9%``."""
    low, high = (change(v, relative=relative) for v in (interval.low, interval.high))
    return f"interval {low} to {high}"


def epsilon_text(value: float) -> str:
    """Two decimals, rounded up: a guarantee is never told smaller than it is."""
    return f"{ceil(round(value * 100, 6)) / 100:.2f}"


def epsilon_range(values: Iterable[float | None]) -> str:
    """``7.90``, or ``6.10–7.90`` over platforms; empty where nothing is private."""
    found = [value for value in values if value is not None]
    if not found:
        return ""
    low, high = epsilon_text(min(found)), epsilon_text(max(found))
    return low if low == high else f"{low}–{high}"


def system_epsilon(results: Results, system: str) -> str:
    """Privacy spent for a system, range over platforms."""
    return epsilon_range(
        result.epsilon
        for platform in results.platforms.values()
        for name, result in platform.systems.items()
        if name == system
    )


def small_number(value: float) -> str:
    """A probability such as delta, two significant digits."""
    return f"{value:.2g}"


def seconds(value: float) -> str:
    """``12.5 s`` or ``3 min 20 s``."""
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def byte_count(count: int) -> str:
    """Decimal units: 1 kB is 1000 bytes."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_BYTE_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{value:.1f} {_BYTE_UNITS[unit]}"


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once: systems in the order of tables, then others, numbers in them by value.

    ``results.json`` is sorted by letters, which puts ``history 10+`` before ``history 3-4``.
    """
    places = {str(name): place for place, name in enumerate(SYSTEMS)}
    return sorted(set(names), key=lambda name: (places.get(name, len(places)), _natural(name)))


def byte_totals(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts that are not part of another: ``a.up`` where there is ``a.up.masked`` too."""
    return {
        name: counts[name]
        for name in in_order(counts)
        if not any(name.startswith(f"{other}.") for other in counts)
    }


def longest_first(timings: Mapping[str, float]) -> list[tuple[str, str]]:
    """(stage, time in words)."""
    ordered = sorted(timings.items(), key=lambda item: (-item[1], item[0]))
    return [(stage, seconds(value)) for stage, value in ordered]


def listing(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def count_of(number: int, noun: str) -> str:
    """``1 platform``, ``2 platforms``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]
