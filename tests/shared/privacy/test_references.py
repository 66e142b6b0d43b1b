"""Per-user gradients against Opacus' GradSampleModule and against vmap(grad), to 1e-5 relative."""

from __future__ import annotations

import pytest
import torch
from opacus.grad_sample import GradSampleModule
from opacus.layers import DPLSTM
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from shared.models.layers import LSTM, Linear
from shared.models.layers.lstm import LSTMLayer
from shared.models.packing import Packing
from tests.shared.privacy.seeded import SeededGradient

ORDER = (1, 2, 3, 0)
"""torch's gates are input, forget, candidate, output; ours are output, input, forget, candidate."""


class Ours(nn.Module):
    """LSTM and head of ours on (B, T, D)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm, self.head = LSTM(width, hidden), Linear(hidden, 2)

    def forward(self, x: Tensor) -> Tensor:
        packing = Packing.from_lengths(torch.full((len(x),), x.shape[1]))
        states = self.lstm(packing.pack(x), packing)
        return packing.unpack(self.head(states, packing))


class Theirs(nn.Module):
    """The same of Opacus and torch, with the second LSTM bias frozen at zero."""

    def __init__(self, ours: Ours, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm, self.head = DPLSTM(width, hidden, batch_first=True), nn.Linear(hidden, 2)
        layer = ours.lstm.layers[0]
        assert isinstance(layer, LSTMLayer)
        with torch.no_grad():
            state = {
                "weight_ih_l0": _torch_order(layer.weight_ih),
                "weight_hh_l0": _torch_order(layer.weight_hh),
                "bias_ih_l0": _torch_order(layer.bias),
                "bias_hh_l0": torch.zeros(4 * hidden),
            }
            self.lstm.load_state_dict(state)
            self.head.load_state_dict(ours.head.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.lstm(x)[0])
        return output


def _torch_order(value: Tensor) -> Tensor:
    gates = value.detach().chunk(4)
    return torch.cat([gates[k] for k in ORDER])


def _loss(output: Tensor) -> Tensor:
    return output.sin().sum((1, 2))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("users", "steps"), [(1, 1), (4, 3), (3, 9)])
@pytest.mark.parametrize("bound", [1e-2, 1e6])
def test_the_clipped_sum_equals_opacus(users: int, steps: int, bound: float) -> None:
    torch.manual_seed(users)
    ours = Ours(3, 5)
    theirs = Theirs(ours, 3, 5)
    x = torch.randn(users, steps, 3)
    wrapped = GradSampleModule(theirs, loss_reduction="sum")
    _loss(wrapped(x)).sum().backward()
    named = dict(theirs.named_parameters())
    samples = {key: value.grad_sample.flatten(1) for key, value in named.items()}  # type: ignore[attr-defined]
    second_bias = next(key for key in samples if "hh" in key and "bias" in key)
    del samples[second_bias]
    norms = torch.cat(list(samples.values()), 1).norm(dim=1)
    factors = (bound / norms).clamp(max=1)

    gradient = SeededGradient(ours, clipping_norm=bound)
    with gradient.recording():
        losses = _loss(ours(x))
    gradient.backward(losses)
    layer = ours.lstm.layers[0]
    assert isinstance(layer, LSTMLayer)
    for ours_parameter, key in ((layer.weight_hh, "hh"), (layer.weight_ih, "ih")):
        expected = next(v for k, v in samples.items() if key in k and "weight" in k)
        expected = (factors @ expected).view_as(ours_parameter)
        actual = _torch_order(_grad(ours_parameter))
        assert (actual - expected).norm() <= 1e-5 * expected.norm().clamp_min(1e-3)


@pytest.mark.parametrize("steps", [1, 7])
def test_the_norms_equal_those_of_vmap_grad(steps: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Linear(4, 6), nn.SiLU(), Linear(6, 2)).double()
    x = torch.randn(5, steps, 4, dtype=torch.float64)
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(values: dict[str, Tensor], user: Tensor) -> Tensor:
        return functional_call(model, values, (user[None],)).sin().sum()

    per_user = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    expected = torch.cat([g.flatten(1) for g in per_user.values()], 1).norm(dim=1)
    gradient = SeededGradient(model, clipping_norm=1.0)
    with gradient.recording():
        losses = model(x).sin().sum((1, 2))
    gradient.backward(losses)
    torch.testing.assert_close(gradient.local_norms(), expected)


def _grad(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
