"""Matrix products of every member of a stack at once, each with the same bits as in any other stack.

In single precision a product depends on the order in which a library adds, and libraries choose it by the
shape. A batch of products is a loop over products of one shape, so a member's result does not depend on how
many others there are. The one exception is a batch of one, of a matrix and a vector, which is handed to
another routine; here it is computed twice over instead. A single product for all members, with the matrices
of all of them below each other, would be less than a fifth faster for the layer that reads the inputs, and
its result does depend on how many they are.
"""

from __future__ import annotations

import torch
from torch import Tensor


def products(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """``left[i] @ right[i]`` for every member.

    Args:
        left: ``[members, n, k]``.
        right: ``[members, k, m]``.
        out: where to write the result, ``[members, n, m]``.
    """
    if _is_lone_vector(left, right):
        return out.copy_(torch.bmm(left.expand(2, -1, -1), right.expand(2, -1, -1))[:1])
    return torch.bmm(left, right, out=out)


def affine(weight: Tensor, inputs: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """``weight[i] @ inputs[i] + bias[i]`` for every member, the same bias for every column.

    Args:
        weight: ``[members, n_out, n_in]``.
        inputs: ``[members, n_in, rows]``.
        bias: ``[members, n_out]``.
        out: where to write the result, ``[members, n_out, rows]``.
    """
    column = bias.unsqueeze(2)
    if _is_lone_vector(weight, inputs):
        pair = (column.expand(2, -1, -1), weight.expand(2, -1, -1), inputs.expand(2, -1, -1))
        return out.copy_(torch.baddbmm(*pair)[:1])
    return torch.baddbmm(column, weight, inputs, out=out)


def _is_lone_vector(left: Tensor, right: Tensor) -> bool:
    return left.shape[0] == 1 and 1 in (*left.shape[1:], right.shape[2])
