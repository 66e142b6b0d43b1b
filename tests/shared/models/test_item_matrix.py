from __future__ import annotations

import pytest
import torch

from shared.models.errors import ItemVectorError
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.packing import Packing


@pytest.mark.parametrize(
    ("vectors", "bias"),
    [
        (torch.zeros(3), None),
        (torch.zeros(0, 2), None),
        (torch.zeros(3, 2), torch.zeros(2)),
        (torch.full((3, 2), torch.nan), None),
    ],
)
def test_items_that_do_not_fit_are_refused(
    vectors: torch.Tensor, bias: torch.Tensor | None
) -> None:
    with pytest.raises(ItemVectorError):
        ItemMatrix(vectors=vectors, bias=bias)


def test_bias_is_added_to_the_logits() -> None:
    items = ItemMatrix(vectors=torch.eye(2), bias=torch.tensor([0.0, 5.0]))
    assert items.logits(torch.tensor([[1.0, 2.0]])).tolist() == [[1.0, 7.0]]


def test_each_token_has_seen_what_its_own_user_had_so_far() -> None:
    packing = Packing.from_lengths(torch.tensor([2, 0, 3]))
    histories = {0: [10, 11], 2: [20, 21, 22]}
    owners = zip(packing.user.tolist(), packing.position.tolist(), strict=True)
    tokens = [histories[user][position] for user, position in owners]
    seen = SeenItems.up_to_each(torch.tensor(tokens), packing)
    for row, (user, position) in enumerate(
        zip(packing.user.tolist(), packing.position.tolist(), strict=True)
    ):
        mine = seen.items[seen.rows == row].tolist()
        assert mine == histories[user][: position + 1]


def test_a_part_is_renumbered_from_zero() -> None:
    seen = SeenItems(rows=torch.tensor([0, 2, 2, 5]), items=torch.tensor([7, 8, 9, 6]))
    part = seen.of(2, 5)
    assert part.rows.tolist() == [0, 0]
    assert part.items.tolist() == [8, 9]
