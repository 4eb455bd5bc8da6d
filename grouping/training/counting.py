"""Counting of multiply-adds: what PyTorch counts in a forward pass, or what a module states.

PyTorch knows the operations of products, convolutions and attention. What it does not see, such as a kernel
of one's own, a module may state: `StatedCost`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def _attention(query: Any, key: Any, value: Any, *_: object, **__: object) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


_FORMULAS = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Attention as a processor computes it, which PyTorch's counter does not know; a GPU's it does."""


@dataclass(slots=True)
class _Count:
    mode: FlopCounterMode = field(
        default_factory=lambda: FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    )
    correction: int = 0

    @property
    def seen(self) -> int:
        """Operations that PyTorch has seen so far."""
        return int(self.mode.get_total_flops())


_PRESENT: ContextVar[_Count | None] = ContextVar("count of operations", default=None)


def multiply_adds(run: Callable[[], object]) -> int:
    """Count the multiply-adds of what is run; without gradients."""
    count = _Count()
    token = _PRESENT.set(count)
    try:
        with torch.no_grad(), count.mode:
            run()
    finally:
        _PRESENT.reset(token)
    # The counter counts a multiplication and an addition as two operations.
    return (count.seen + count.correction) // 2


class StatedCost(nn.Module):
    """A module that counts as many multiply-adds as it states, whatever it carries out.

    Args:
        module: the module.
        per_row: multiply-adds of a forward pass of one row.
    """

    def __init__(self, module: nn.Module, per_row: int) -> None:
        super().__init__()
        self.module = module
        self._per_row = per_row

    def forward(self, rows: Any) -> Any:
        """Run the module."""
        count = _PRESENT.get()
        if count is None:
            return self.module(rows)
        before = count.seen + count.correction
        answer = self.module(rows)
        stated = 2 * self._per_row * len(rows)
        count.correction += stated - (count.seen + count.correction - before)
        return answer
