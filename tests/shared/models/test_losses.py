from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from shared.models import losses
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.losses import draw_negatives, next_item_loss

N, S, D = 40, 23, 6


def setting(bias: bool = False) -> tuple[Tensor, Tensor, ItemMatrix]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(S, D, generator=generator, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(N, D, generator=generator, dtype=torch.float64)
    biases = torch.randn(N, generator=generator, dtype=torch.float64) if bias else None
    targets = torch.randint(N, (S,), generator=generator)
    return queries, targets, ItemMatrix(vectors=vectors, bias=biases)


@pytest.fixture(params=[512, 7], ids=["one chunk", "many chunks"])
def _chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK", request.param)


@pytest.mark.usefixtures("_chunked")
@pytest.mark.parametrize("bias", [False, True])
def test_full_softmax_is_cross_entropy_with_its_gradient(bias: bool) -> None:
    queries, targets, items = setting(bias)
    expected = F.cross_entropy(items.logits(queries), targets, reduction="none")
    (gradient,) = torch.autograd.grad(expected.square().sum(), queries)
    loss = next_item_loss(queries, targets, items)
    assert torch.allclose(loss, expected)
    assert torch.allclose(torch.autograd.grad(loss.square().sum(), queries)[0], gradient)


@pytest.mark.usefixtures("_chunked")
def test_seen_items_are_no_candidates_unless_they_are_the_target() -> None:
    queries, targets, items = setting()
    rows = torch.arange(S).repeat_interleave(3)
    seen = torch.randint(N, (3 * S,), generator=torch.Generator().manual_seed(1))
    seen[:3] = targets[0]
    mask = torch.zeros(S, N, dtype=torch.bool)
    mask[rows, seen] = True
    mask[torch.arange(S), targets] = False
    expected = F.cross_entropy(
        items.logits(queries).masked_fill(mask, -torch.inf), targets, reduction="none"
    )
    loss = next_item_loss(queries, targets, items, seen=SeenItems(rows=rows, items=seen))
    assert torch.allclose(loss, expected)


def test_all_items_as_negatives_are_the_full_softmax() -> None:
    queries, targets, items = setting(bias=True)
    everything = torch.randperm(N)
    full = next_item_loss(queries, targets, items)
    assert torch.allclose(next_item_loss(queries, targets, items, negatives=everything), full)


def test_sampled_loss_estimates_the_full_one() -> None:
    """Up to the bias of a logarithm of a mean, which is small where logits are."""
    queries, targets, items = setting()
    queries = queries * 0.2
    generator = torch.Generator().manual_seed(2)
    full = next_item_loss(queries, targets, items).mean()
    draws = torch.stack([draw_negatives(20, N, generator) for _ in range(200)])
    sampled = [next_item_loss(queries, targets, items, negatives=draw).mean() for draw in draws]
    assert torch.stack(sampled).mean().item() == pytest.approx(full.item(), abs=0.02)


def test_a_catalogue_that_has_no_more_is_compared_with_as_a_whole() -> None:
    assert draw_negatives(N, N, torch.Generator()) is None


@pytest.mark.usefixtures("_chunked")
def test_sampled_gradient_is_right() -> None:
    queries, targets, items = setting(bias=True)
    negatives = torch.arange(0, N, 3)
    assert torch.autograd.gradcheck(
        lambda q: next_item_loss(q, targets, items, negatives=negatives), queries
    )


def test_trainable_items_get_the_gradient_of_the_same_loss() -> None:
    queries, targets, frozen = setting()
    vectors = frozen.vectors.clone().requires_grad_()
    loss = next_item_loss(queries, targets, ItemMatrix(vectors=vectors))
    expected = F.cross_entropy(queries @ vectors.T, targets, reduction="none")
    assert torch.allclose(loss, expected)
    ours = torch.autograd.grad(loss.sum(), vectors, retain_graph=True)[0]
    assert torch.allclose(ours, torch.autograd.grad(expected.sum(), vectors)[0])


def test_the_loss_of_a_query_depends_on_no_other_query() -> None:
    queries, targets, items = setting()
    alone = next_item_loss(queries[4:5], targets[4:5], items)
    assert torch.allclose(next_item_loss(queries, targets, items)[4:5], alone)


def test_no_queries_give_no_losses() -> None:
    queries, targets, items = setting()
    assert next_item_loss(queries[:0], targets[:0], items).shape == (0,)


def test_negatives_are_different_items_of_the_catalogue() -> None:
    negatives = draw_negatives(30, N, torch.Generator().manual_seed(3))
    assert len(negatives.unique()) == 30
    assert negatives.min() >= 0
    assert negatives.max() < N
