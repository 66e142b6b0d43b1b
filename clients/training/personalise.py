"""From shared parameters to a platform's own model, trained without noise because it never leaves.

Three things are learned from the platform's own histories, one stage after the other. First a
fine-tuned copy of the shared parameters. Then, with it, a residual on every item vector: what
cannot be read from a text, who buys what after what; it helps most where there are many events an
item and harms where there are few. Last a bias per item, log popularity at a scale chosen on
validation. Each stage stops when the platform's own validation items are ranked no better and
starts from the best state so far, the untouched start included: personalisation can be useless but
hardly harmful.

Started from a federated model this is the product's last step; started from the public initial
weights it is the system *local LSTM*, so that what federation adds is the only difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from clients.data.dataset import Histories
from clients.evaluation.split import Fold
from clients.recommenders.behaviour import BehaviourScorer
from clients.training.batches import TrainingSet
from clients.training.config import PersonalisationConfig
from clients.training.device import HOST, Compute
from clients.training.errors import NothingToLearnError
from clients.training.fitting import Kept, Progress, fit_until_worse, validation_ndcg
from shared.models.behaviour import BehaviourLSTM
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.losses import draw_negatives
from shared.models.parameters import Float32s
from shared.models.torch_parameters import load_vector, read_vector


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalModel:
    """A behaviour model on a platform's catalogue; fitted to the platform it never leaves the node.

    Attributes
    ----------
    config, parameters
        Shape of the model and its (P,) parameters.
    items
        Catalogue, with residuals and biases where those were trained.
    validation
        NDCG@10 at each look: the start first, then every `check_every` steps, both stages.
    steps
        Steps taken, over both stages, when the state that was kept was reached.
    popularity_scale
        Scale of the bias that was chosen.
    """

    config: BehaviourConfig
    parameters: Float32s
    items: ItemMatrix
    validation: tuple[float, ...]
    steps: int
    popularity_scale: float

    def scorer(self) -> BehaviourScorer:
        """The model as something that scores histories."""
        return BehaviourScorer(self.config, self.parameters, self.items)


def untouched(config: BehaviourConfig, shared: Float32s, vectors: Tensor) -> PersonalModel:
    """The model with the `shared` (P,) parameters as they are on a catalogue (N, d)."""
    return PersonalModel(
        config=config,
        parameters=shared,
        items=ItemMatrix(vectors=vectors),
        validation=(),
        steps=0,
        popularity_scale=0.0,
    )


def personalise(
    config: BehaviourConfig,
    start: Float32s,
    vectors: Tensor,
    training: Histories,
    validation: Fold,
    settings: PersonalisationConfig,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    compute: Compute = HOST,
) -> PersonalModel:
    """Fine-tune `start` on one platform.

    Parameters
    ----------
    start
        (P,) shared parameters: a federated release, or the public initial ones.
    vectors
        (N, d) item vectors of the platform's catalogue.
    training, validation
        Histories to learn from and the questions that decide when to stop.
    seed
        Of batches and negatives; nothing here needs secrecy, since nothing leaves.
    compute
        Where to train and validate; the model lies on the host.

    Raises
    ------
    NothingToLearnError
        No user has two training events.
    ParameterVectorError
        `start` does not fit the model.
    """
    fold = validation.sample(settings.validation_users, seed)

    def judge(state: _State) -> float:
        scorer = BehaviourScorer(config, state.parameters, state.items, compute)
        return validation_ndcg(scorer, fold)

    state = _State(start, ItemMatrix(vectors=vectors))
    best = Kept(state=state, steps=0, ndcg=judge(state))
    curve, taken = [best.ndcg], 0
    stages = _stages(settings)
    for number, rates in enumerate(stages):
        first = best.state.parameters
        learner = _Learner(config, first, vectors, training, settings, rates, seed, compute)
        learner.steps = taken
        report = _within(progress, number * settings.max_steps - taken, len(stages))
        best, looks = fit_until_worse(learner, best, judge, settings, report)
        curve += looks
        taken = learner.steps
    state, scale = _with_popularity(best, training, judge, settings)
    return PersonalModel(
        config=config,
        parameters=state.parameters,
        items=state.items,
        validation=tuple(curve),
        steps=best.steps,
        popularity_scale=scale,
    )


@dataclass(frozen=True, slots=True)
class _Rates:
    """Learning rates of one stage."""

    parameters: float
    residuals: float


def _stages(settings: PersonalisationConfig) -> list[_Rates]:
    stages = []
    if settings.text_learning_rate > 0:
        stages.append(_Rates(settings.text_learning_rate, 0.0))
    if settings.residual_rate > 0:
        stages.append(_Rates(settings.learning_rate, settings.residual_rate))
    return stages


def _within(progress: Progress | None, shift: int, stages: int) -> Progress | None:
    """Progress of one stage as progress of all; a stage that ends early leaves a jump."""
    if progress is None:
        return None
    return lambda done, most: progress(done + shift, most * stages)


@dataclass(frozen=True, slots=True)
class _State:
    parameters: Float32s
    items: ItemMatrix


class _Learner:
    """Shared parameters and item residuals under one optimiser."""

    def __init__(
        self,
        config: BehaviourConfig,
        start: Float32s,
        vectors: Tensor,
        training: Histories,
        settings: PersonalisationConfig,
        rates: _Rates,
        seed: int,
        compute: Compute,
    ) -> None:
        self._examples = TrainingSet(training, config.history_length)
        if not self._examples.tokens:
            raise NothingToLearnError("no user has two training events")
        self._compute, self._model = compute, compute.place(BehaviourLSTM(config))
        load_vector(self._model, start)
        self._vectors, self._settings = compute.place(vectors), settings
        self._residual = torch.zeros_like(self._vectors, requires_grad=rates.residuals > 0)
        self._optimiser = torch.optim.Adam(self._groups(rates))
        self._users = np.random.default_rng(seed)
        self._random = torch.Generator().manual_seed(seed)
        self.steps = 0

    def step(self) -> None:
        """One step of Adam on a batch of users."""
        size = min(self._settings.batch_users, self._examples.users)
        rows = self._users.choice(self._examples.users, size, replace=False)
        items = ItemMatrix(vectors=self._vectors + self._residual)
        self._optimiser.zero_grad()
        batch = self._compute.place(self._examples.batch(rows))
        negatives = draw_negatives(self._settings.negatives, len(items), self._random)
        losses = self._model.loss_per_user(batch, items, negatives)
        losses.mean().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.steps += 1

    def state(self) -> _State:
        """Current parameters and items, on the host."""
        items = ItemMatrix(vectors=(self._vectors + self._residual).detach().cpu())
        return _State(read_vector(self._model), items)

    def _groups(self, rates: _Rates) -> list[dict[str, object]]:
        groups: list[dict[str, object]] = [
            {"params": list(self._model.parameters()), "lr": rates.parameters}
        ]
        if self._residual.requires_grad:
            groups.append({"params": [self._residual], "lr": rates.residuals})
        return groups


def _with_popularity(
    best: Kept[_State],
    training: Histories,
    judge: Callable[[_State], float],
    settings: PersonalisationConfig,
) -> tuple[_State, float]:
    """Add the popularity bias at the scale that validation likes best, 0 on a tie."""
    popularity = log_popularity(training, len(best.state.items))
    state, chosen, reached = best.state, 0.0, best.ndcg
    for scale in settings.popularity_scales:
        candidate = replace(best.state, items=replace(best.state.items, bias=scale * popularity))
        figure = judge(candidate)
        if figure > reached:
            state, chosen, reached = candidate, scale, figure
    return state, chosen


def log_popularity(training: Histories, n_items: int) -> Tensor:
    """(N,) logarithm of one plus each item's training events, centred."""
    counts = np.bincount(training.items, minlength=n_items)
    logs = torch.from_numpy(np.log1p(counts)).float()
    return logs - logs.mean()
