"""Private training keeps nothing of a batch alive once its gradient is formed."""

from __future__ import annotations

import weakref

import torch

from shared.models.layers import LSTM, Linear
from shared.models.packing import Packing
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.adapter, self.lstm, self.head = Linear(4, 5), LSTM(5, 6), Linear(6, 1)

    def forward(self, tokens: torch.Tensor, packing: Packing) -> torch.Tensor:
        hidden = self.lstm(self.adapter(tokens, packing), packing)
        return packing.sum_per_user(self.head(hidden, packing).squeeze(-1))


def test_the_activations_of_a_step_are_freed_after_it() -> None:
    net = Net()
    private = PrivateGradient(
        net,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        expected_batch_size=3.0,
        noise=SecureGaussian(),
    )
    packing = Packing.from_lengths(torch.tensor([3, 1, 2]))
    kept: list[weakref.ref[torch.Tensor]] = []
    handle = net.adapter.register_forward_hook(
        lambda _module, _inputs, output: kept.append(weakref.ref(output.grad_fn))
    )
    with private.recording():
        losses = net(torch.randn(packing.tokens, 4), packing)
    private.backward(losses)
    del losses
    handle.remove()
    assert kept[0]() is None, "the graph of the step is still alive"
