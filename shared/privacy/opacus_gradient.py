"""Models made of layers that Opacus supports, trained with the same noise, accountant and ledger.

Opacus (`GradSampleModule`) forms every user's gradient; clipping, noise from the cryptographic
generator, division and accounting are those of `PrivateGradient`. Slower by an order of magnitude
for recurrent layers and in more memory; the way for architectures that our layers do not cover.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shared.models.layers.base import PrivateLayer, Record, Recorder, Sums
from shared.privacy.accounting import Mechanism
from shared.privacy.errors import UnsupportedLayerError
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian


class OpacusGradient(PrivateGradient):
    """`PrivateGradient` for a model of ordinary torch layers.

    Parameters
    ----------
    model
        Called through `wrapped` from now on; unchanged in parameters and results. Inputs have the
        users in their first dimension.
    clipping_norm, noise_multiplier, expected_batch_size, noise
        As in `PrivateGradient`.

    Raises
    ------
    UnsupportedLayerError
        Opacus cannot train a layer of the model privately (batch statistics, say).
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float,
        noise_multiplier: float,
        expected_batch_size: float,
        noise: SecureGaussian,
    ) -> None:
        from opacus.grad_sample import GradSampleModule
        from opacus.validators import ModuleValidator

        problems = ModuleValidator.validate(model, strict=False)
        if problems:
            raise UnsupportedLayerError(str(problems[0]))
        self.wrapped: nn.Module = GradSampleModule(model, loss_reduction="sum")
        super().__init__(
            model,
            clipping_norm=clipping_norm,
            noise_multiplier=noise_multiplier,
            expected_batch_size=expected_batch_size,
            noise=noise,
        )

    def _find_layers(self, model: nn.Module) -> list[PrivateLayer]:
        return []

    def _records(self, losses: Tensor, recorder: Recorder) -> list[Record]:
        for parameter in self._parameters:
            parameter.grad = None
            parameter.grad_sample = None  # type: ignore[attr-defined]
        losses.sum().backward()  # type: ignore[no-untyped-call]
        records: list[Record] = []
        for parameter in self._parameters:
            sample: Tensor | None = parameter.grad_sample  # type: ignore[attr-defined]
            if sample is not None:
                records.append(FormedGradients(parameter, sample))
            parameter.grad_sample = None  # type: ignore[attr-defined]
            parameter.grad = None
        return records


@dataclass(frozen=True, eq=False)
class FormedGradients:
    """Gradients of one parameter that stand in memory user by user.

    Attributes
    ----------
    parameter
        The parameter.
    sample
        (B, *) its gradient for every user.
    """

    parameter: nn.Parameter
    sample: Tensor

    @property
    def users(self) -> int:
        """B."""
        return len(self.sample)

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """The one parameter."""
        return (self.parameter,)

    def squared_norms(self) -> Tensor:
        """(B,)."""
        wide = self.sample.to(torch.promote_types(self.sample.dtype, torch.float32))
        return wide.flatten(1).square().sum(1) if wide.dim() > 1 else wide.square()

    def add_weighted(self, weights: Tensor, kept: Tensor | None, into: Sums) -> None:
        """Add the weighted sum."""
        total = into[self.parameter]
        sample = self.sample if kept is None else self.sample[kept]
        weights = weights if kept is None else weights[kept]
        total.add_(torch.tensordot(weights.to(total.dtype), sample.to(total.dtype), 1))

    def join(self, other: Record) -> Record:
        """Opacus adds up several calls itself."""
        raise NotImplementedError


def mechanisms_of(history: list[tuple[float, float, int]]) -> tuple[Mechanism, ...]:
    """The history of an Opacus accountant, ``(noise multiplier, sample rate, steps)``, as ours.

    For a model that was trained by Opacus' own engine, whose noise is torch's: reserve the planned
    history in the ledger before such a run, never after it.
    """
    return tuple(
        Mechanism(noise_multiplier=noise, sample_rate=rate, steps=steps)
        for noise, rate, steps in history
    )
