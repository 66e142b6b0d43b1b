from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from shared.models.behaviour import BehaviourLSTM, decayed_sum
from shared.models.config import GAP_BUCKETS, BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.packing import Packing
from shared.models.sequences import NextEvents, Sequences
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian

CONFIG = BehaviourConfig(item_dim=12, adapter_dim=6, input_dim=5, hidden_dim=4, event_types=3)
ITEMS = 20

lengths_of_users = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def catalogue() -> ItemMatrix:
    vectors = torch.randn(ITEMS, CONFIG.item_dim, generator=torch.Generator().manual_seed(0))
    return ItemMatrix(vectors=F.normalize(vectors, dim=-1))


def model(*, trained: bool = True) -> BehaviourLSTM:
    """With weights large enough that every part matters."""
    net = BehaviourLSTM(CONFIG, seed=1)
    if trained:
        generator = torch.Generator().manual_seed(2)
        for parameter in net.parameters():
            parameter.data += torch.randn(parameter.shape, generator=generator) * 0.5
    return net


def batch(lengths: list[int], seed: int = 0) -> NextEvents:
    generator = torch.Generator().manual_seed(seed)
    packing = Packing.from_lengths(torch.tensor(lengths, dtype=torch.int64))

    def draw(high: int) -> Tensor:
        return torch.randint(high, (packing.tokens,), generator=generator)

    inputs = Sequences(packing=packing, items=draw(ITEMS), events=draw(3), gaps=draw(GAP_BUCKETS))
    return NextEvents(inputs=inputs, items=draw(ITEMS), events=draw(3))


def one_user(sequences: Sequences, user: int) -> Tensor:
    """Token rows of one user, oldest first."""
    rows = torch.nonzero(sequences.packing.user == user)[:, 0]
    return rows[sequences.packing.position[rows].argsort()]


@settings(deadline=None, max_examples=25)
@given(lengths_of_users, st.integers(0, 1000))
def test_advancing_event_by_event_equals_recomputation(lengths: list[int], seed: int) -> None:
    net, items = model(), catalogue()
    sequences = batch(lengths, seed).inputs
    queries = net.query(sequences, items)
    for user in range(len(lengths)):
        state = net.start(1)
        for row in one_user(sequences, user):
            vector = items.vectors[sequences.items[row]][None]
            state = net.advance(
                state, vector, sequences.events[row][None], sequences.gaps[row][None]
            )
        expected = net.query_of(state)[0] if lengths[user] else torch.zeros(CONFIG.item_dim)
        assert torch.allclose(queries[user], expected, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(lengths_of_users, st.integers(0, 1000))
def test_each_user_s_loss_is_what_it_is_alone(lengths: list[int], seed: int) -> None:
    """The condition on which the privacy guarantee rests."""
    net, items = model(), catalogue()
    together = batch(lengths, seed)
    losses = net.loss_per_user(together, items)
    for user in range(len(lengths)):
        rows = one_user(together.inputs, user)
        inputs = Sequences(
            packing=Packing.from_lengths(torch.tensor([len(rows)])),
            items=together.inputs.items[rows],
            events=together.inputs.events[rows],
            gaps=together.inputs.gaps[rows],
        )
        alone = NextEvents(inputs=inputs, items=together.items[rows], events=together.events[rows])
        assert torch.allclose(net.loss_per_user(alone, items)[0], losses[user], atol=1e-5)


def test_private_gradients_are_the_clipped_sum_of_the_users_own() -> None:
    net, items = model(), catalogue()
    together = batch([3, 0, 5, 1])
    clip = 0.5
    expected = [torch.zeros_like(p) for p in net.parameters()]
    for user in (0, 2, 3):
        losses = net.loss_per_user(together, items)
        gradients = torch.autograd.grad(losses[user], list(net.parameters()))
        norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
        for total, gradient in zip(expected, gradients, strict=True):
            total += gradient * (clip / norm).clamp(max=1.0)
    private = PrivateGradient(
        net,
        clipping_norm=clip,
        noise_multiplier=1e-6,
        expected_batch_size=1,
        noise=SecureGaussian(),
    )
    with private.recording():
        losses = net.loss_per_user(together, items)
    private.backward(losses)
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, atol=1e-4)


def test_an_untrained_model_starts_at_the_profile() -> None:
    net, items = model(trained=False), catalogue()
    sequences = batch([4, 2]).inputs
    profile = decayed_sum(items.vectors[sequences.items], sequences.packing, CONFIG.profile_decay)
    expected = F.normalize(sequences.packing.last(profile), dim=-1)
    queries = net.query(sequences, items)
    assert F.cosine_similarity(queries, expected).min() > 0.99
    assert queries.norm(dim=1) == pytest.approx([CONFIG.profile_scale] * 2, rel=0.05)


def test_later_events_and_other_users_do_not_reach_back() -> None:
    net, items = model(), catalogue()
    sequences = batch([4, 3]).inputs
    changed = sequences.items.clone()
    last = one_user(sequences, 0)[-1]
    changed[last] = (changed[last] + 1) % ITEMS
    other = Sequences(
        packing=sequences.packing, items=changed, events=sequences.events, gaps=sequences.gaps
    )
    before, after = net._run(sequences, items)[1], net._run(other, items)[1]
    same = torch.ones(7, dtype=torch.bool)
    same[last] = False
    assert torch.equal(before[same], after[same])
    assert not torch.allclose(before[last], after[last])


@pytest.mark.parametrize("feature", ["events", "gaps"])
def test_event_types_and_gaps_change_the_query(feature: str) -> None:
    net, items = model(), catalogue()
    inputs = batch([3]).inputs
    parts = {"items": inputs.items, "events": inputs.events, "gaps": inputs.gaps}
    parts[feature] = (parts[feature] + 1) % 3
    other = Sequences(packing=inputs.packing, **parts)
    assert not torch.allclose(net.query(inputs, items), net.query(other, items), atol=1e-3)


def test_decayed_sum_is_the_sum_it_names() -> None:
    packing = Packing.from_lengths(torch.tensor([1, 3]))
    vectors = torch.randn(4, 2)
    first, second, third = (vectors[r] for r in torch.nonzero(packing.user == 1)[:, 0])
    total = packing.last(decayed_sum(vectors, packing, 0.5))
    assert torch.allclose(total[1], 0.25 * first + 0.5 * second + third)


def test_no_users_at_all_have_no_losses() -> None:
    net, items = model(), catalogue()
    assert net.loss_per_user(batch([]), items).shape == (0,)
    assert net.loss_per_user(batch([0, 0]), items).tolist() == [0, 0]
    assert net.query(batch([]).inputs, items).shape == (0, CONFIG.item_dim)


def test_some_steps_of_training_lower_the_loss() -> None:
    net, items = model(trained=False), catalogue()
    data = batch([5, 6, 4, 6])
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = net.loss_per_user(data, items).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_whole_space_needs_no_projection() -> None:
    net = BehaviourLSTM(CONFIG.model_copy(update={"adapter_dim": CONFIG.item_dim}))
    assert net.projection is None
    assert net.query(batch([2]).inputs, catalogue()).shape == (1, CONFIG.item_dim)
