"""Batches of products: right, and the same bits at any number of members."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grouping.training.engines.products import affine, products

N_MEMBERS = 64


pytestmark = pytest.mark.usefixtures("one_thread")


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("n", [1, 5, 128])
@pytest.mark.parametrize("k", [1, 3, 64, 300])
@pytest.mark.parametrize("m", [1, 16, 33])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_a_product_has_the_same_bits_at_any_number_of_members(
    n: int, k: int, m: int, is_transposed: bool
) -> None:
    left, bias = draw(N_MEMBERS, n, k), draw(N_MEMBERS, n)
    right = draw(N_MEMBERS, m, k).transpose(1, 2) if is_transposed else draw(N_MEMBERS, k, m)
    together = products(left, right, torch.empty(N_MEMBERS, n, m))
    moved = affine(left, right, bias, torch.empty(N_MEMBERS, n, m))
    torch.testing.assert_close(together, left @ right)
    torch.testing.assert_close(moved, left @ right + bias[:, :, None])
    for chosen in ([0], [63], [1, 62], [9, 3, 7, 11, 30, 2, 5]):
        out = torch.empty(len(chosen), n, m)
        assert torch.equal(products(left[chosen], right[chosen], out), together[chosen])
        assert torch.equal(affine(left[chosen], right[chosen], bias[chosen], out), moved[chosen])


@pytest.mark.parametrize(("n", "k", "m"), [(32, 64, 1), (7, 64, 17), (128, 30, 1), (33, 16, 1)])
def test_members_may_see_the_same_rows(n: int, k: int, m: int) -> None:
    left, bias, rows = draw(N_MEMBERS, n, k), draw(N_MEMBERS, n), draw(k, m)
    together = affine(left, rows.expand(N_MEMBERS, -1, -1), bias, torch.empty(N_MEMBERS, n, m))
    alone = affine(left[4:5], rows.expand(1, -1, -1), bias[4:5], torch.empty(1, n, m))
    assert torch.equal(alone[0], together[4])
