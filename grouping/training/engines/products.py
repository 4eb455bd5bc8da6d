"""Matrix products of every member of a stack at once, with the same bits in any stack.

In single precision a product depends on the order in which a library adds, and libraries choose it by the
shape, some also by where in memory the numbers lie. A batch of products is a loop over products of one shape,
so that a member's result should not depend on how many others there are. On most machines and for most shapes
it does not; nothing promises it. A lone product of a matrix and a vector takes another routine everywhere. On
AMD processors MKL by default adds up a product of one row in another order where its result is not aligned to
16 bytes: there the bits of a member depend on its place.

So a member's product is, by definition, the first of two that begin with a line of the cache. All members are
computed at once where that gives each of them these bits, which is tried once for each shape and place in
memory, on random numbers. Elsewhere they are split: each is computed as the first of two.

A single product for all members, with the matrices of all of them below each other, would be less than a
fifth faster for the layer that reads the inputs, and its result does depend on how many they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Kernel = Callable[..., Tensor]

LINE_BYTES = 64
"""Where memory begins within a line of the cache may decide how a library reads it."""
MOST_KNOWN = 20_000
"""Kinds of products that are remembered; a training has some dozens."""
_AT_ONCE: dict[object, bool] = {}
"""Whether all members may be computed at once, by all that a library may choose its routine by."""
n_split = 0
"""How many products of several members this process has computed a member at a time."""


def products(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """Compute ``left[i] @ right[i]`` for every member.

    Args:
        left: ``[members, n, k]``.
        right: ``[members, k, m]``.
        out: where to write the result, ``[members, n, m]``.
    """
    return _compute(torch.bmm, (left, right), out)


def affine(weight: Tensor, inputs: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """Compute ``weight[i] @ inputs[i] + bias[i]`` for every member, the same bias for every column.

    Args:
        weight: ``[members, n_out, n_in]``.
        inputs: ``[members, n_in, rows]``.
        bias: ``[members, n_out]``.
        out: where to write the result, ``[members, n_out, rows]``.
    """
    return _compute(torch.baddbmm, (bias.unsqueeze(2), weight, inputs), out)


def _compute(kernel: Kernel, operands: Sequence[Tensor], out: Tensor) -> Tensor:
    key = (
        kernel,
        *((t.shape, t.stride(), t.dtype, t.device, t.data_ptr() % LINE_BYTES) for t in (*operands, out)),
    )
    at_once = _AT_ONCE.get(key)
    if at_once is None:
        if len(_AT_ONCE) >= MOST_KNOWN:
            _AT_ONCE.clear()
        at_once = _AT_ONCE[key] = _try(kernel, operands, out)
    if at_once:
        return kernel(*operands, out=out)
    global n_split
    n_split += len(out) > 1
    return _split(kernel, operands, out)


def _split(kernel: Kernel, operands: Sequence[Tensor], out: Tensor) -> Tensor:
    places = [_place_of_two(operand) for operand in operands]
    result = out.new_empty(2, *out.shape[1:])  # PyTorch takes another routine unless the result is contiguous
    for member in range(len(out)):
        for place, operand in zip(places, operands, strict=True):
            place.copy_(operand[member])
        kernel(*places, out=result)
        out[member] = result[0]
    return out


def _place_of_two(like: Tensor) -> Tensor:
    """Allocate memory for two members, laid out as each of these is, that begins with a cache line."""
    length = _span(like.shape[1:], like.stride()[1:])
    line = LINE_BYTES // like.element_size()
    step = -(-length // line) * line
    memory = like.new_zeros(2 * step + line)
    first = -memory.data_ptr() % LINE_BYTES // like.element_size()
    return memory.as_strided((2, *like.shape[1:]), (step, *like.stride()[1:]), first)


def _span(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Count numbers from the first to the last of a tensor."""
    return 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))


def _try(kernel: Kernel, operands: Sequence[Tensor], out: Tensor) -> bool:
    """Return whether all at once and split give the same bits, on random numbers placed as the operands."""
    generator = torch.Generator().manual_seed(0)
    drawn = [_drawn(operand, generator) for operand in operands]
    split = _split(kernel, drawn, _drawn(out, generator))
    return torch.equal(kernel(*drawn, out=_drawn(out, generator)), split)


def _drawn(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw random numbers with the shape, the strides and the place within a line of a tensor."""
    offset = like.data_ptr() % LINE_BYTES // like.element_size()
    length = offset + _span(like.shape, like.stride())
    memory = torch.randn(length, generator=generator, dtype=like.dtype).to(like.device)
    return memory.as_strided(like.shape, like.stride(), offset)
