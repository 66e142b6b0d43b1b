"""Private steps never assume that tensors lie on the CPU; on a GPU they give the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.models.behaviour import BehaviourLSTM
from shared.models.config import BehaviourConfig, ContentConfig
from shared.models.content_vae_gan import ContentVAEGAN, Draws, Profiles
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.packing import Packing
from shared.models.sequences import NextEvents, Sequences
from tests.shared.pretend_device import Elsewhere, PretendDevice
from tests.shared.privacy.seeded import SeededGradient
from tests.shared.privacy.toy import Batch, Toy


def test_the_pretended_device_finds_mixed_devices() -> None:
    with PretendDevice() as device:
        x = torch.ones(3).to(device)
        assert isinstance(x + torch.arange(3, device=x.device), Elsewhere)
        assert (2 * x).sum().item() == 6
        with pytest.raises(RuntimeError, match="two devices"):
            x + torch.ones(3)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.zeros(3).index_add_(0, torch.arange(3), x)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.zeros(3)[x.long()]


def _moved(model: nn.Module, device: torch.device) -> nn.Module:
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = nn.Parameter(parameter.detach().to(device))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = buffer.to(device)
    return model


def _gradients(model: nn.Module) -> Tensor:
    """(P,) on the CPU."""
    return torch.cat([p.grad.to("cpu").flatten() for p in model.parameters() if p.grad is not None])


Losses = Callable[[nn.Module, torch.device], Tensor]


def _toy(model: nn.Module, device: torch.device) -> Tensor:
    batch = Batch([3, 0, 5, 1, 5, 2])
    packing = Packing.from_lengths(batch.lengths)
    x, events = packing.pack(batch.x), packing.pack(batch.events)
    return cast(Toy, model).loss_per_user(x.to(device), events.to(device), packing.to(device))


def _items(device: torch.device) -> ItemMatrix:
    vectors = torch.randn(20, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return ItemMatrix(vectors=F.normalize(vectors, dim=1).to(device))


def _behaviour(model: nn.Module, device: torch.device) -> Tensor:
    packing = Packing.from_lengths(torch.tensor([3, 1, 0, 4]))
    random = torch.Generator().manual_seed(2)
    items, following, negatives = (torch.randint(0, 20, (8,), generator=random) for _ in range(3))
    kinds = torch.randint(0, 3, (8,), generator=random)
    sequences = Sequences(
        packing=packing.to(device),
        items=items.to(device),
        events=kinds.to(device),
        gaps=kinds.to(device),
    )
    batch = NextEvents(inputs=sequences, items=following.to(device), events=kinds.to(device))
    own = cast(BehaviourLSTM, model)
    with torch.no_grad():  # serving keeps its state where the model is
        own.query_of(own.advance(own.start(1), _items(device).vectors[:1], *_one_event(device)))
    return own.loss_per_user(batch, _items(device), negatives.unique())


def _one_event(device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.zeros(1, dtype=torch.int64).to(device), torch.ones(1, dtype=torch.int64).to(device)


def _content(model: nn.Module, device: torch.device) -> Tensor:
    random = torch.Generator().manual_seed(3)
    vectors = torch.randn(5, 2, 8, generator=random, dtype=torch.float64)
    draws = torch.randn(2, 5, 2, 3, generator=random, dtype=torch.float64)
    profiles = Profiles(
        vectors=F.normalize(vectors, dim=-1).to(device),
        following=torch.randint(0, 20, (5, 2), generator=random).to(device),
        mask=torch.tensor([[1, 1], [1, 0], [0, 0], [1, 1], [1, 1]]).double().to(device),
        seen=SeenItems.none(),
    )
    own = Draws(posterior=draws[0].to(device), prior=draws[1].to(device))
    return cast(ContentVAEGAN, model).loss_per_user(profiles, _items(device), draws=own)


MODELS: dict[str, tuple[Callable[[], nn.Module], Losses]] = {
    "every layer": (lambda: Toy(layers=2), _toy),
    "behaviour": (
        lambda: BehaviourLSTM(
            BehaviourConfig(item_dim=8, adapter_dim=4, input_dim=4, hidden_dim=5, event_types=3)
        ),
        _behaviour,
    ),
    "content": (
        lambda: ContentVAEGAN(ContentConfig(item_dim=8, latent_dim=3, hidden_dim=8)),
        _content,
    ),
}


def _private(model: nn.Module, losses_of: Losses, device: torch.device) -> Tensor:
    gradient = SeededGradient(model, clipping_norm=0.1, noise_multiplier=0.5)
    with gradient.recording():
        losses = losses_of(model, device)
    gradient.backward(losses)
    return _gradients(model)


@pytest.mark.parametrize("name", MODELS)
def test_a_private_step_mixes_no_devices(name: str) -> None:
    torch.manual_seed(0)
    make, losses_of = MODELS[name]
    model = make().double()
    expected = _private(model, losses_of, torch.device("cpu"))
    with PretendDevice() as device:
        actual = _private(_moved(model, device), losses_of, device)
    torch.testing.assert_close(actual, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", MODELS)
def test_a_private_step_on_a_gpu_gives_the_same_gradient(name: str) -> None:
    torch.manual_seed(0)
    make, losses_of = MODELS[name]
    model = make().double()
    expected = _private(model, losses_of, torch.device("cpu"))
    actual = _private(model.to("cuda"), losses_of, torch.device("cuda"))
    torch.testing.assert_close(actual, expected)
