"""One training step of an LSTM: torch's, ours without and with privacy, Opacus' in two modes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.private.timing import interleaved
from shared.models.layers import LSTM
from shared.models.packing import Packing
from shared.privacy.gradients import PrivateGradient, UnprotectedGradient
from shared.privacy.noise import SecureGaussian

Step = Callable[[], None]
WIDTH = 128
"""Input width D of every row."""


class Task:
    """B users, each T tokens (or ragged lengths), and a quadratic target for every output."""

    def __init__(self, users: int, steps: int, hidden: int, live: float = 1.0) -> None:
        generator = torch.Generator().manual_seed(0)
        self.users, self.steps, self.hidden = users, steps, hidden
        self.lengths = _lengths(users, steps, live, generator)
        self.packing = Packing.from_lengths(self.lengths)
        self.x = torch.randn(users, steps, WIDTH, generator=generator)
        self.target = torch.randn(users, steps, hidden, generator=generator)
        self.target /= (steps * hidden) ** 0.5
        valid = torch.arange(steps)[None] < self.lengths[:, None]
        self.mask = valid.t()[..., None].float()
        self.time_major = self.x.transpose(0, 1).contiguous()
        self.target_time_major = self.target.transpose(0, 1).contiguous()
        self.tokens = self.packing.pack(self.x)
        self.target_tokens = self.packing.pack(self.target)

    @property
    def live_share(self) -> float:
        """Tokens that are not padding."""
        return self.packing.tokens / (self.users * self.steps)


def torch_lstm(task: Task) -> Step:
    """`torch.nn.LSTM`, time-major, padded, without privacy."""
    model = nn.LSTM(WIDTH, task.hidden)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        error = (model(task.time_major)[0] - task.target_time_major).square()
        if task.live_share < 1:
            error = error * task.mask
        (error.sum() / task.users).backward()
        optimizer.step()

    return step


def ours(task: Task, *, private: bool) -> Step:
    """Our LSTM on packed tokens."""
    model = LSTM(WIDTH, task.hidden)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    gradient = protected(model, task.users) if private else UnprotectedGradient(model)

    def step() -> None:
        with gradient.recording():
            states = model(task.tokens, task.packing)
            losses = task.packing.sum_per_user((states - task.target_tokens).square().sum(1))
        gradient.backward(losses)
        optimizer.step()

    return step


def protected(model: nn.Module, users: int) -> PrivateGradient:
    """The private gradient of every benchmark."""
    return PrivateGradient(
        model,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        expected_batch_size=users,
        noise=SecureGaussian(),
    )


def opacus(task: Task, *, ghost: bool) -> Step:
    """Opacus' DPLSTM with its own optimiser; hooks or ghost clipping."""
    warnings.simplefilter("ignore")
    from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping
    from opacus.layers import DPLSTM
    from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping

    model = DPLSTM(WIDTH, task.hidden, batch_first=True)
    terms: dict[str, Any] = {
        "noise_multiplier": 1.0,
        "max_grad_norm": 1.0,
        "expected_batch_size": task.users,
        "loss_reduction": "sum",
    }
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
    kind = GradSampleModuleFastGradientClipping if ghost else GradSampleModule
    extra = {"max_grad_norm": 1.0} if ghost else {}
    wrapped = kind(model, loss_reduction="sum", **extra)
    optimizer = (DPOptimizerFastGradientClipping if ghost else DPOptimizer)(sgd, **terms)
    x = task.x.clone().requires_grad_(True)

    def step() -> None:
        optimizer.zero_grad()
        losses: Tensor = (wrapped(x)[0] - task.target).square().sum((1, 2))
        if ghost:
            DPTensorFastGradientClipping(wrapped, optimizer, losses, "sum").backward()
        else:
            losses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def row(
    users: int, steps: int, hidden: int, seconds: float, *, with_opacus: bool
) -> dict[str, Any]:
    """One shape, all users equally long."""
    task = Task(users, steps, hidden)
    variants: dict[str, Step] = {
        "nn.LSTM": torch_lstm(task),
        "ours without privacy": ours(task, private=False),
        "ours private": ours(task, private=True),
    }
    if with_opacus:
        variants["Opacus hooks"] = opacus(task, ghost=False)
        variants["Opacus ghost"] = opacus(task, ghost=True)
    return _row("LSTM step", task, variants, seconds)


def ragged_row(users: int, steps: int, hidden: int, seconds: float) -> dict[str, Any]:
    """One shape, 40% of the tokens live."""
    task = Task(users, steps, hidden, live=0.4)
    variants = {
        "nn.LSTM": torch_lstm(task),
        "ours without privacy": ours(task, private=False),
        "ours private": ours(task, private=True),
    }
    return _row("LSTM step, ragged", task, variants, seconds)


def _row(what: str, task: Task, variants: dict[str, Step], seconds: float) -> dict[str, Any]:
    timings = interleaved(variants, seconds)
    base = timings["nn.LSTM"]
    return {
        "what": what,
        "compared_with": "nn.LSTM without privacy, padded, same process",
        "B": task.users,
        "T": task.steps,
        "H": task.hidden,
        "D": WIDTH,
        "live": task.live_share,
        "cpu_ms": {name: timing.cpu for name, timing in timings.items()},
        "wall_ms": {name: timing.wall for name, timing in timings.items()},
        "cpu_ratio": {name: timing.cpu / base.cpu for name, timing in timings.items()},
    }


def _lengths(users: int, steps: int, live: float, generator: torch.Generator) -> Tensor:
    if live >= 1:
        return torch.full((users,), steps)
    spread = torch.randn(users, generator=generator).mul_(0.8).exp_()
    low, high = 0.0, float(steps * steps)
    while high - low > 1e-3:  # scale the log-normal lengths until the share of live tokens fits
        middle = (low + high) / 2
        share = (spread * middle).clamp(1, steps).mean().item() / steps
        low, high = (middle, high) if share < live else (low, middle)
    return (spread * high).clamp(1, steps).long()
