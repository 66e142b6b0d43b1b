"""Local steps of a federated round: from the global model to this node's update.

::

    trainer = Trainer(BehaviourLSTM(config), examples, items, terms, protection)
    update = trainer.run(global_model, steps=10)          # (P,) float32: new - old

With a `Protection` the update is the output of `steps` subsampled Gaussian mechanisms at user
level, ``Mechanism(noise_multiplier, sample_rate)`` each, and of nothing else that is private:
batches are Poisson samples, losses use negatives drawn without looking at data, biases are refused,
and Adam (Kingma & Ba, ICLR 2015), whose moments stay at the node between rounds, sees the noised
gradient only. The caller charges the ledger before it calls `run`. Without a `Protection` there is
**no privacy at all**: research, or parameters that never leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clients.data.dataset import Int64s
from clients.training.device import HOST, Compute, Movable
from clients.training.errors import PrivateBiasError, UnknownItemError
from clients.training.fitting import Progress
from shared.models.item_matrix import ItemMatrix
from shared.models.losses import draw_negatives
from shared.models.parameters import Float32s
from shared.models.per_user import PerUserModel
from shared.models.torch_parameters import load_vector, read_vector
from shared.privacy.banded import BandedGradient, CyclicSampler
from shared.privacy.errors import InvalidMechanismError
from shared.privacy.gradients import PrivateGradient, UnprotectedGradient
from shared.privacy.noise import SecureGaussian
from shared.privacy.sampling import PoissonSampler

ADAM_BETAS: Final = (0.9, 0.99)
"""The second moment is mostly noise in private training; 0.99 adapts within the few steps."""

_NOISE: Final = "noise"
_Batch = TypeVar("_Batch", bound=Movable)
_Batch_co = TypeVar("_Batch_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTerms:
    """Public numbers of a local step.

    Attributes
    ----------
    learning_rate
        Of Adam.
    sample_rate
        Probability with which each user (of the group whose turn it is) enters a batch.
    expected_batch_size
        Sample rate times the declared users (of a group): divisor of the summed gradients.
    negatives
        Items against which a target is compared where the catalogue has more than
        `full_softmax_items`.
    full_softmax_items
        Largest catalogue that every target is compared with as a whole.
    """

    learning_rate: float = 1e-2
    sample_rate: float
    expected_batch_size: float
    negatives: int = 2048
    full_softmax_items: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Public numbers of the Gaussian mechanism: bound on one user, noise in units of it.

    Attributes
    ----------
    coefficients
        (b,) of banded noise, see `shared.privacy.banded`; one alone is independent noise.
    """

    clipping_norm: float
    noise_multiplier: float
    coefficients: tuple[float, ...] = (1.0,)


class Examples(Protocol[_Batch_co]):
    """A platform's users, each of whom is one example."""

    @property
    def users(self) -> int:
        """U."""

    @property
    def item_count(self) -> int:
        """One more than the largest item index."""

    def batch(self, rows: Int64s, /) -> _Batch_co:
        """The users at `rows` (B,), in that order; B = 0 is fine."""


class Trainer(Generic[_Batch]):
    """Local steps of one model on one platform's users.

    A batch is drawn for one model: one that trained two would be two releases about its users.

    Parameters
    ----------
    model
        Made of private layers.
    examples
        Training part of the histories, as the model takes them.
    items
        The platform's catalogue.
    terms
        Public numbers of a step.
    protection
        None trains without privacy.
    groups
        (U,) group of each user among those that take turns under banded noise.
    compute
        Where the steps are computed; state and updates are arrays of the host all the same.

    Raises
    ------
    PrivateBiasError
        `items` has biases and the training is private.
    UnknownItemError
        A history names an item outside the catalogue.
    InvalidMechanismError
        The noise is banded and the users have no groups.
    """

    def __init__(
        self,
        model: PerUserModel[_Batch],
        examples: Examples[_Batch],
        items: ItemMatrix,
        terms: StepTerms,
        protection: Protection | None,
        *,
        groups: Int64s | None = None,
        compute: Compute = HOST,
    ) -> None:
        if protection is not None and (items.bias is not None or items.trainable):
            raise PrivateBiasError("the items of a private step have biases or are trained")
        if examples.item_count > len(items):
            problem = f"item {examples.item_count - 1} in a catalogue of {len(items)} items"
            raise UnknownItemError(problem)
        self._compute, self._terms, self._examples = compute, terms, examples
        self._model, self._items = compute.place(model), compute.place(items)
        self._gradient = _gradient(model, terms, protection)
        self._sampler = _sampler(terms, examples.users, protection, groups)
        self._optimiser = torch.optim.Adam(
            model.parameters(), lr=terms.learning_rate, betas=ADAM_BETAS
        )
        self._random = torch.Generator()
        self._random.seed()  # from the operating system

    def run(self, start: Float32s, steps: int, progress: Progress | None = None) -> Float32s:
        """Take `steps` steps from the parameters `start` (P,) and return the change (P,).

        If it ends early, the state is as it was before, so that the round can be trained again;
        what was drawn is spent all the same.

        Raises
        ------
        ParameterVectorError
            `start` does not fit the model.
        """
        load_vector(self._model, start)
        before = {name: value.copy() for name, value in self.state().items()}
        try:
            for done, rows in enumerate(self._sampler.batches(steps), start=1):
                self._step(rows)
                if progress is not None:
                    progress(done, steps)
        except BaseException:
            self.restore(before)
            raise
        return read_vector(self._model) - start

    def state(self) -> dict[str, Float32s]:
        """What the next round goes on from, to be stored: Adam's moments and banded noise.

        The noise vectors are as secret as the data.
        """
        state = dict(_flat_moments(self._optimiser.state_dict()["state"]))
        if isinstance(self._gradient, BandedGradient):
            state[_NOISE] = self._gradient.state.numpy()
        return state

    def restore(self, state: dict[str, Float32s]) -> None:
        """Continue from `state` of another trainer of this shape; from nothing, start anew."""
        moments = {name: value for name, value in state.items() if name != _NOISE}
        optimiser = self._optimiser.state_dict()
        optimiser["state"] = _nested_moments(moments)
        self._optimiser.load_state_dict(optimiser)
        if isinstance(self._gradient, BandedGradient):
            noise = state.get(_NOISE)
            self._gradient.restore(None if noise is None else torch.from_numpy(noise))

    def _step(self, rows: NDArray[np.int64]) -> None:
        batch = self._compute.place(self._examples.batch(rows))
        negatives = negatives_for(self._terms, len(self._items), self._random)
        with self._gradient.recording():
            losses = self._model.loss_per_user(batch, self._items, negatives)
        self._gradient.backward(losses)
        self._optimiser.step()


def negatives_for(terms: StepTerms, items: int, random: torch.Generator) -> torch.Tensor | None:
    """Items to compare targets with; None for all of a catalogue that is small enough."""
    if items <= terms.full_softmax_items:
        return None
    return draw_negatives(terms.negatives, items, random)


def _gradient(
    model: nn.Module, terms: StepTerms, protection: Protection | None
) -> PrivateGradient | UnprotectedGradient:
    if protection is None:
        return UnprotectedGradient(model, expected_batch_size=terms.expected_batch_size)
    if len(protection.coefficients) > 1:
        return BandedGradient(
            model,
            clipping_norm=protection.clipping_norm,
            noise_multiplier=protection.noise_multiplier,
            expected_batch_size=terms.expected_batch_size,
            noise=SecureGaussian(),
            coefficients=torch.tensor(protection.coefficients, dtype=torch.float64),
        )
    return PrivateGradient(
        model,
        clipping_norm=protection.clipping_norm,
        noise_multiplier=protection.noise_multiplier,
        expected_batch_size=terms.expected_batch_size,
        noise=SecureGaussian(),
    )


def _sampler(
    terms: StepTerms, users: int, protection: Protection | None, groups: Int64s | None
) -> PoissonSampler | CyclicSampler:
    bands = 1 if protection is None else len(protection.coefficients)
    if bands == 1:
        return PoissonSampler(terms.sample_rate, users)
    if groups is None or len(groups) != users:
        raise InvalidMechanismError("banded noise needs a group for every user")
    return CyclicSampler(terms.sample_rate, groups, bands)


def _flat_moments(state: dict[int, dict[str, Any]]) -> Iterator[tuple[str, Float32s]]:
    for parameter, values in state.items():
        for name, value in values.items():
            yield f"{parameter}.{name}", value.detach().cpu().numpy().astype(np.float32)


def _nested_moments(moments: dict[str, Float32s]) -> dict[int, dict[str, torch.Tensor]]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in moments.items():
        parameter, _, name = key.partition(".")
        state.setdefault(int(parameter), {})[name] = torch.from_numpy(value.copy())
    return state
