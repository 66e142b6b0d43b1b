"""What reactions do at once: exposures tire, dislikes remove, neighbours follow softly.

Scores are logarithms of probabilities up to a constant, so what is added here multiplies a
probability: an item shown m times without a click keeps ``exp(-fatigue * m)`` of its probability
(impression discounting: Lee et al., KDD 2014). All effects fade exponentially.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Float64s, Int64s
from clients.ranking.config import FeedbackConfig
from clients.ranking.facts import Float32s, ItemFacts
from clients.ranking.request import Feedback

HOUR, DAY = 3600.0, 86_400.0
BELOW = ("disliked", "dismissed")


def removed_items(feedback: Feedback, now: float, config: FeedbackConfig) -> Int64s:
    """Items that the user must not be shown again (yet)."""
    if not len(feedback.items):
        return feedback.items
    gone = np.zeros(len(feedback.items), dtype=np.bool_)
    if config.disliked == "remove":
        gone |= feedback.of("disliked")
    if config.dismissed == "remove":
        gone |= _recently_dismissed(feedback, now, config)
    return np.unique(feedback.items[gone])


def exposure(feedback: Feedback, now: float, half_life: float) -> tuple[Int64s, Float64s]:
    """Items shown and not clicked since, and how often, old exposures faded.

    Parameters
    ----------
    half_life
        Seconds.

    Returns
    -------
    tuple
        (S,) distinct item indices and (S,) faded numbers of exposures, above 0.
    """
    shown = feedback.of("shown") & (feedback.times > _last_click(feedback))
    items, place = np.unique(feedback.items[shown], return_inverse=True)
    weights = _faded(feedback.times[shown], now, half_life)
    counts = np.bincount(place, weights=weights, minlength=len(items))
    return items, counts.astype(np.float64)


def penalties(feedback: Feedback, now: float, config: FeedbackConfig) -> dict[str, Float64s]:
    """Reason → (2, S) item indices and what is added to their scores (below 0)."""
    found: dict[str, Float64s] = {}
    if not len(feedback.items):
        return found
    items, counts = exposure(feedback, now, config.fatigue_half_life_hours * HOUR)
    if config.fatigue and len(items):
        found["fatigue"] = np.stack([items.astype(np.float64), -config.fatigue * counts])
    demoted = _demoted(feedback, now, config)
    if len(demoted):
        below = np.full(len(demoted), -config.demotion)
        found["demoted"] = np.stack([demoted.astype(np.float64), below])
    return found


def neighbour_effects(
    feedback: Feedback, items: Int64s, facts: ItemFacts, now: float, config: FeedbackConfig
) -> dict[str, Float64s]:
    """``like_disliked`` and ``like_liked`` → (K,) added to the scores of `items`.

    The effect follows the most similar item that the user reacted to, so that many reactions do
    not add up without bound: 0 at `neighbour_similarity`, the whole weight at cosine 1.
    """
    effects = {}
    for name, kinds, sign in (("like_disliked", BELOW, -1.0), ("like_liked", ("liked",), 1.0)):
        chosen = feedback.of(*kinds)
        if config.neighbours and chosen.any():
            faded = _faded(feedback.times[chosen], now, config.neighbour_half_life_days * DAY)
            others = facts.vectors[feedback.items[chosen]]
            nearness = _nearness(facts.vectors[items], others, config.neighbour_similarity)
            effects[name] = sign * config.neighbours * (nearness * faded).max(axis=1)
    return effects


def _nearness(vectors: Float32s, others: Float32s, threshold: float) -> Float64s:
    """(K, F) 0 up to the threshold of the cosine, then linear to 1."""
    cosines = (vectors @ others.T).astype(np.float64)
    return np.clip((cosines - threshold) / (1 - threshold), 0.0, 1.0)


def _recently_dismissed(
    feedback: Feedback, now: float, config: FeedbackConfig
) -> NDArray[np.bool_]:
    recent = now - feedback.times <= config.dismissed_days * DAY
    return np.asarray(feedback.of("dismissed") & recent)


def _demoted(feedback: Feedback, now: float, config: FeedbackConfig) -> Int64s:
    below = np.zeros(len(feedback.items), dtype=np.bool_)
    if config.disliked == "demote":
        below |= feedback.of("disliked")
    if config.dismissed == "demote":
        below |= _recently_dismissed(feedback, now, config)
    return np.unique(feedback.items[below])


def _last_click(feedback: Feedback) -> Float64s:
    """(F,) time of the last click or like on each row's item; -inf if there is none."""
    items, place = np.unique(feedback.items, return_inverse=True)
    latest = np.full(len(items), -np.inf)
    positive = feedback.of("clicked", "liked")
    np.maximum.at(latest, place[positive], feedback.times[positive])
    return latest[place]


def _faded(times: Float64s, now: float, half_life: float) -> Float64s:
    """What is left of each effect; a time in the future counts as now."""
    return np.asarray(0.5 ** (np.maximum(now - times, 0.0) / half_life))
