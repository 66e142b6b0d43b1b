"""Private gradients: one user's influence bounded, noise added, at the cost of ordinary training.

::

    private = PrivateGradient(model, clipping_norm=0.5, noise_multiplier=1.1,
                              expected_batch_size=1024, noise=SecureGaussian())
    for rows in sampler.batches(steps):
        with private.recording():
            losses = model.loss_per_user(users[rows])        # (B,), each from its own user alone
        private.backward(losses)                             # fills p.grad
        optimizer.step()

Formal guarantee
----------------
What ``p.grad`` holds after `backward` is ``(sum_u clip(g_u) + z C N(0, I)) / E`` with C the
`clipping_norm`, z the `noise_multiplier` and E the `expected_batch_size`: the Gaussian mechanism of
sensitivity C under adding or removing one user (DP-SGD, Abadi et al. 2016), *provided* that user
u's loss depends on no other user. Subsampled by a `PoissonSampler`, one call is one step of
``Mechanism(noise_multiplier, sample_rate)``. Everything public is a constructor argument;
everything private is an argument of a method, and no method but `local_norms` returns anything
private.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from shared.models.layers.base import PrivateLayer, Record, Recorder, Sums
from shared.models.layers.scratch import Scratch
from shared.privacy.errors import (
    CoupledUsersError,
    InvalidMechanismError,
    UnrecordedGradientError,
    UnsupportedLayerError,
    UntrustedNoiseError,
)
from shared.privacy.noise import SecureGaussian
from shared.privacy.precision import check_products


class PrivateGradient:
    """Clipped, noised gradients of a model made of `PrivateLayer` parts.

    Parameters
    ----------
    model
        Every trainable parameter belongs to exactly one `PrivateLayer`.
    clipping_norm
        L2 bound C on one user's gradient over all parameters.
    noise_multiplier
        Standard deviation of the noise in units of C; positive.
    expected_batch_size
        Public divisor E: sample rate times the declared number of users, never the size of the
        batch at hand.
    noise
        The cryptographic noise source.
    per_layer
        Clip every layer on its own to ``C / sqrt(layers)`` instead of all together to C; the
        sensitivity of the whole is C either way.

    Raises
    ------
    UnsupportedLayerError
        A trainable parameter has no layer, or two.
    InvalidMechanismError
        A number is not positive and finite.
    UntrustedNoiseError
        `noise` is not a `SecureGaussian`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float,
        noise_multiplier: float,
        expected_batch_size: float,
        noise: SecureGaussian,
        per_layer: bool = False,
    ) -> None:
        self._check_noise(noise, noise_multiplier)
        _check_positive("clipping_norm", clipping_norm)
        _check_positive("expected_batch_size", expected_batch_size)
        self.clipping_norm = clipping_norm
        self.noise_multiplier = noise_multiplier
        self.expected_batch_size = expected_batch_size
        self.per_layer = per_layer
        self._noise = noise
        self._layers = self._find_layers(model)
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._scratch = Scratch()
        self._recorder = Recorder(self._scratch)
        self._sum = _FlatSum(self._parameters)
        self._entered: set[int] = set()
        self._norms: Tensor | None = None

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Calls of the model inside this block can be differentiated by `backward`."""
        self._recorder = Recorder(self._scratch)
        for layer in self._layers:
            layer.recorder = self._recorder
        try:
            yield
        finally:
            for layer in self._layers:
                layer.recorder = None

    def backward(self, losses: Tensor) -> None:
        """Fill every ``p.grad`` with the private gradient of one Poisson batch.

        Parameters
        ----------
        losses
            (B,) one loss per user, computed inside `recording`; B = 0 gives noise alone.
        """
        self.accumulate(losses, torch.arange(losses.numel()))
        self.release()

    def accumulate(self, losses: Tensor, users: Tensor) -> None:
        """Add the clipped gradients of a micro-batch: a part of the users of one Poisson batch.

        Two losses of one user, real and generated content say, belong in one sum of one backward
        pass: clipped one by one they would weigh 2 C, and epsilon would be understated (4.4
        reported where 15.5 is true).

        Parameters
        ----------
        losses
            (B,) one loss per user, computed inside `recording`.
        users
            (B,) int64 a number for each of them, the row in the data say; each at most once
            between two releases.

        Raises
        ------
        CoupledUsersError
            `losses` is not a vector, a layer recorded another number of users, or a user came
            twice.
        UnrecordedGradientError
            The losses were not computed inside `recording`, or bypass a layer.
        """
        if losses.dim() != 1:
            raise CoupledUsersError(f"losses have shape {tuple(losses.shape)}, not (B,)")
        check_products()
        self._enter(users, losses.numel())
        recorder, self._recorder = self._recorder, Recorder()
        if losses.numel():
            self._add_clipped(self._records(losses, recorder), losses.numel())

    @torch.no_grad()
    def release(self) -> None:
        """Add the noise, divide by the expected batch size, and fill every ``p.grad``."""
        total = self._take_sum()
        deviation = self.noise_multiplier * self.clipping_norm
        noise = self._draw_noise(total.numel()).to(total.device, total.dtype)
        total.add_(noise, alpha=deviation)
        self._sum.fill_gradients(total.div_(self.expected_batch_size))

    def local_norms(self) -> Tensor:
        """(B,) norms of the last micro-batch before clipping: private data, for local eyes only.

        Not covered by the guarantee: never log, send or tune a public choice by them.
        """
        return torch.empty(0) if self._norms is None else self._norms

    def _enter(self, users: Tensor, count: int) -> None:
        """Note who takes part between this release and the one before."""
        numbers = users.tolist()
        if len(numbers) != count:
            raise CoupledUsersError(f"{count} losses of {len(numbers)} users")
        before = len(self._entered)
        self._entered.update(numbers)
        if len(self._entered) != before + count:
            raise CoupledUsersError("a user came twice between two releases")

    def _take_sum(self) -> Tensor:
        """The sum so far; starts a new one."""
        self._entered.clear()
        return self._sum.take()

    def _check_noise(self, noise: SecureGaussian, noise_multiplier: float) -> None:
        if type(noise) is not SecureGaussian:
            raise UntrustedNoiseError(f"noise from {type(noise).__name__}")
        _check_positive("noise_multiplier", noise_multiplier)

    def _draw_noise(self, count: int) -> Tensor:
        return self._noise.draw(count)

    def _find_layers(self, model: nn.Module) -> list[PrivateLayer]:
        return private_layers(model)

    def _records(self, losses: Tensor, recorder: Recorder) -> list[Record]:
        """Per-user gradients of a micro-batch."""
        self._differentiate(losses)
        return list(recorder.records.values())

    def _observe(self, norms: Tensor) -> None:
        """Told the norms of the users whose gradients entered the sum."""

    def _differentiate(self, losses: Tensor) -> None:
        for parameter in self._parameters:
            parameter.grad = None
        if losses.requires_grad:
            losses.sum().backward()  # type: ignore[no-untyped-call]
        bypassed = [p for p in self._parameters if p.grad is not None]
        for parameter in bypassed:
            parameter.grad = None
        if bypassed:
            shapes = ", ".join(str(tuple(p.shape)) for p in bypassed)
            raise UnrecordedGradientError(f"unrecorded gradients for parameters of shape {shapes}")

    @torch.no_grad()
    def _add_clipped(self, records: list[Record], users: int) -> None:
        wrong = {record.users for record in records} - {users}
        if wrong:
            raise CoupledUsersError(f"{users} losses, but a layer recorded {wrong.pop()} users")
        if not records:
            return
        squares = torch.stack([record.squared_norms() for record in records])
        total = squares.sum(0)
        finite = torch.isfinite(total)
        kept = None if bool(finite.all()) else finite
        self._norms = total.sqrt()
        factors = self._factors(squares, self._norms)
        if kept is not None:
            factors = torch.where(kept, factors, 0.0)
        for record, weights in zip(records, factors.expand_as(squares), strict=True):
            record.add_weighted(weights, kept, self._sum.parts)
        self._observe(self._norms if kept is None else self._norms[kept])

    def _factors(self, squares: Tensor, norms: Tensor) -> Tensor:
        """(layers, B), or (B,) for all layers: what brings every user's norm to the bound."""
        if self.per_layer:
            bound = self.clipping_norm / math.sqrt(max(len(self._layers), len(squares)))
            return squares.sqrt().reciprocal_().mul_(bound).clamp_(max=1.0)
        return (self.clipping_norm / norms).clamp_(max=1.0)


class UnprotectedGradient:
    """Ordinary gradients behind the interface of `PrivateGradient`: **no privacy at all**.

    For research systems that train without a guarantee and for local parts that never leave.

    Parameters
    ----------
    model
        Any module.
    expected_batch_size
        Divisor of the summed losses; None divides by the size of the batch at hand.
    """

    def __init__(self, model: nn.Module, *, expected_batch_size: float | None = None) -> None:
        self.expected_batch_size = expected_batch_size
        self._parameters = [p for p in model.parameters() if p.requires_grad]

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Nothing is recorded."""
        yield

    def backward(self, losses: Tensor) -> None:
        """Fill every ``p.grad`` with the gradient of the mean loss; zero for an empty batch."""
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        if losses.numel() and losses.requires_grad:
            divisor = self.expected_batch_size or losses.numel()
            (losses.sum() / divisor).backward()  # type: ignore[no-untyped-call]


class _FlatSum:
    """Clipped sums of all parameters in one vector, at least float32."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        self._dtype = torch.float32
        for parameter in parameters:
            self._dtype = torch.promote_types(self._dtype, parameter.dtype)
        self._sizes = [parameter.numel() for parameter in parameters]
        self._start()

    def take(self) -> Tensor:
        """The sum so far; starts a new one."""
        flat = self._flat
        self._start()
        return flat

    def fill_gradients(self, flat: Tensor) -> None:
        for parameter, part in self._split(flat).items():
            parameter.grad = part.to(parameter.dtype)

    def _start(self) -> None:
        device = self._parameters[0].device if self._parameters else None
        self._flat = torch.zeros(sum(self._sizes), dtype=self._dtype, device=device)
        self.parts: Sums = self._split(self._flat)

    def _split(self, flat: Tensor) -> dict[nn.Parameter, Tensor]:
        parts = torch.split_with_sizes(flat, self._sizes)
        return {p: part.view_as(p) for p, part in zip(self._parameters, parts, strict=True)}


def private_layers(model: nn.Module) -> list[PrivateLayer]:
    """Layers that own the trainable parameters, each parameter by exactly one.

    Raises
    ------
    UnsupportedLayerError
        A trainable parameter has no layer, or two.
    """
    layers = [m for m in model.modules() if isinstance(m, PrivateLayer)]
    owners: dict[nn.Parameter, int] = {}
    for layer in layers:
        for parameter in layer.parameters(recurse=False):
            owners[parameter] = owners.get(parameter, 0) + 1
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and owners.get(parameter, 0) != 1:
            reason = "shared by two layers" if parameter in owners else "of no supported layer"
            raise UnsupportedLayerError(
                f"parameter {name!r} is {reason}", where=_owner(model, name)
            )
    return [layer for layer in layers if any(p.requires_grad for p in layer.parameters())]


def _owner(model: nn.Module, parameter: str) -> str:
    module = model.get_submodule(parameter.rpartition(".")[0])
    return f"in {type(module).__name__}"


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InvalidMechanismError(f"{name} = {value} is not positive")
