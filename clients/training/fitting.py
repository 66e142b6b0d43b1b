"""Fitting a model to a platform until its own validation items are ranked no better.

What is kept is the best state so far, the start included: fitting can be useless but hardly
harmful.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import Scorer, evaluate
from clients.evaluation.split import Fold
from clients.training.config import FittingConfig

Progress = Callable[[int, int], None]
"""Called with (steps done, steps at most); an exception from it ends the training."""
State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Generic[State]):
    """A state of a model, and what validation says of it.

    Attributes
    ----------
    state
        All that its scores depend on.
    steps
        Steps after which it was reached.
    ndcg
        Its NDCG@10 on validation items.
    """

    state: State
    steps: int
    ndcg: float


class Learner(Protocol[State_co]):
    """What takes steps."""

    steps: int
    """Taken so far."""

    def step(self) -> None:
        """Take one."""

    def state(self) -> State_co:
        """Where it stands; later steps do not change it."""


def fit_until_worse(
    learner: Learner[State],
    best: Kept[State],
    judge: Callable[[State], float],
    settings: FittingConfig,
    progress: Progress | None,
) -> tuple[Kept[State], list[float]]:
    """The best of `best` and the states on the way, and what `judge` said at each look."""
    curve: list[float] = []
    waited, last = 0, learner.steps + settings.max_steps
    while learner.steps < last and waited < settings.patience:
        for _ in range(min(settings.check_every, last - learner.steps)):
            learner.step()
            if progress is not None:
                progress(learner.steps, settings.max_steps)
        state = learner.state()
        now = Kept(state=state, steps=learner.steps, ndcg=judge(state))
        curve.append(now.ndcg)
        waited = 0 if now.ndcg > best.ndcg else waited + 1
        best = now if now.ndcg > best.ndcg else best
    return best, curve


def validation_ndcg(scorer: Scorer, fold: Fold) -> float:
    """NDCG@10 over the whole catalogue; 0 where there is nobody to look at."""
    if not len(fold):
        return 0.0
    return float(ndcg(evaluate(scorer, fold.contexts, fold.targets).ranks, 10).mean())
