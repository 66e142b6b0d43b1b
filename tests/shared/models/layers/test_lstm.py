"""The packed LSTM computes what torch's LSTM computes, user by user."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.models.layers import LSTM
from shared.models.layers.lstm import LSTMLayer
from shared.models.packing import Packing, PackingError

TORCH_ORDER = (1, 2, 3, 0)
"""torch's gates are input, forget, candidate, output; ours are output, input, forget, candidate."""


def _torch_twin(ours: LSTM, inputs: int) -> nn.LSTM:
    """A torch LSTM with the same weights and its second bias zero."""
    twin = nn.LSTM(inputs, ours.hidden, len(ours.layers), batch_first=True).double()
    with torch.no_grad():
        for index, layer in enumerate(ours.layers):
            assert isinstance(layer, LSTMLayer)
            for name, value in (
                ("weight_ih", layer.weight_ih),
                ("weight_hh", layer.weight_hh),
                ("bias_ih", layer.bias),
            ):
                gates = value.chunk(4)
                getattr(twin, f"{name}_l{index}").copy_(torch.cat([gates[k] for k in TORCH_ORDER]))
            getattr(twin, f"bias_hh_l{index}").zero_()
    return twin


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("lengths", [[4, 4, 4], [5, 0, 2, 1], [1]])
def test_outputs_and_gradients_equal_torchs(layers: int, lengths: list[int]) -> None:
    torch.manual_seed(0)
    ours = LSTM(3, 4, layers).double()
    twin = _torch_twin(ours, 3)
    padded = torch.randn(len(lengths), max(lengths), 3, dtype=torch.float64)
    a, b = (padded.clone().requires_grad_(True) for _ in range(2))
    packing = Packing.from_lengths(torch.tensor(lengths))
    valid = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None])[..., None]

    mine = packing.unpack(ours(packing.pack(a), packing))
    theirs = twin(b)[0] * valid
    mine.sin().sum().backward()
    theirs.sin().sum().backward()

    torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(a.grad, b.grad, atol=1e-12, rtol=1e-12)
    for index, layer in enumerate(ours.layers):
        assert isinstance(layer, LSTMLayer)
        gates = layer.weight_hh.grad.chunk(4)  # type: ignore[union-attr]
        expected = getattr(twin, f"weight_hh_l{index}").grad
        torch.testing.assert_close(torch.cat([gates[k] for k in TORCH_ORDER]), expected)


def test_float32_stays_within_rounding_of_float64() -> None:
    torch.manual_seed(1)
    ours = LSTM(8, 16)
    packing = Packing.from_lengths(torch.full((5,), 30))
    x = torch.randn(packing.tokens, 8)
    single = ours(x, packing)
    double = ours.double()(x.double(), packing)
    assert (single - double).abs().max().item() < 2e-6


def test_advancing_token_by_token_gives_the_same_outputs() -> None:
    torch.manual_seed(2)
    ours = LSTM(3, 4, 2).double().eval()
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    packing = Packing.from_lengths(torch.full((5,), 6))
    whole = packing.unpack(ours(packing.pack(x), packing))
    state = None
    for t in range(6):
        output, state = ours.step(x[:, t], state)
        torch.testing.assert_close(output, whole[:, t])


def test_dropout_acts_between_layers_only() -> None:
    torch.manual_seed(3)
    packing = Packing.from_lengths(torch.tensor([4, 4]))
    x = torch.randn(packing.tokens, 3)
    single = LSTM(3, 4, 1, dropout=0.9)
    assert torch.equal(single(x, packing), single(x, packing))
    stacked = LSTM(3, 4, 2, dropout=0.5)
    assert not torch.equal(stacked(x, packing), stacked(x, packing))
    assert bool((stacked(x, packing) != 0).all())
    stacked.eval()
    assert torch.equal(stacked(x, packing), stacked(x, packing))


@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_no_tokens_are_fine(lengths: list[int]) -> None:
    packing = Packing.from_lengths(torch.tensor(lengths, dtype=torch.int64))
    out = LSTM(3, 4, 2)(torch.zeros(0, 3), packing)
    assert out.shape == (0, 4)
    out.sum().backward()


def test_a_second_backward_pass_is_refused() -> None:
    packing = Packing.from_lengths(torch.tensor([2]))
    loss = LSTM(3, 4)(torch.randn(2, 3), packing).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(AttributeError):
        loss.backward()


def test_tokens_that_do_not_fit_the_packing_are_refused() -> None:
    with pytest.raises(PackingError):
        LSTM(3, 4)(torch.zeros(3, 3), Packing.from_lengths(torch.tensor([2])))
