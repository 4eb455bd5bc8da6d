"""What a process finds about stacking under the arithmetic of its environment: `python -m tests.stacking`.

Prints JSON: the arithmetic in effect, how many products of several members get other bits at another number
of members when all are simply computed at once, how many products are split instead,
and what in the products and the trainings of this project does not get the bits it has in another stack.
"""

from __future__ import annotations

import json
from dataclasses import replace

from grouping.training.arithmetic import current_arithmetic  # first: it asks before PyTorch computes

import torch  # isort: skip
from torch import Tensor  # isort: skip

from grouping.domain.trainings.recipes import Recipe
from grouping.training.data import TrainingData
from grouping.training.engines import products as products_module
from grouping.training.engines import stacking_of
from grouping.training.engines.products import affine, products
from grouping.training.engines.stacked import StackedTraining
from tests.unit.test_engines_stacked import REQUESTS
from tests.unit.test_training_loop import TASKS, make_dataset

N_MEMBERS = 64
SHAPES = [(1, 300, 33), (1, 64, 33), (33, 64, 1), (1, 1, 7), (32, 64, 256), (7, 31, 96), (5, 3, 1)]
STACKS = [[0], [63], [1, 62], [9, 3, 7, 11, 30, 2, 5]]
RECIPES = [Recipe(hidden=(33, 31), batch_size=7, epochs=1), Recipe(hidden=(128,), batch_size=300, epochs=1)]


def find() -> dict[str, object]:
    """All of it."""
    torch.set_num_threads(1)
    broken_at_once, broken = 0, []
    generator = torch.Generator().manual_seed(0)
    for n, k, m in SHAPES:
        left = torch.randn(N_MEMBERS, n, k, generator=generator)
        right = torch.randn(N_MEMBERS, k, m, generator=generator)
        bias = torch.randn(N_MEMBERS, n, generator=generator)
        at_once = torch.bmm(left, right)
        together = products(left, right, torch.empty(N_MEMBERS, n, m))
        moved = affine(left, right, bias, torch.empty(N_MEMBERS, n, m))
        for chosen in STACKS:
            out = torch.empty(len(chosen), n, m)
            few = torch.bmm(left[chosen], right[chosen])
            broken_at_once += len(chosen) > 1 and not torch.equal(few, at_once[chosen])
            if not torch.equal(products(left[chosen], right[chosen], out), together[chosen]):
                broken.append(f"product {n, k, m} of {len(chosen)}")
            if not torch.equal(affine(left[chosen], right[chosen], bias[chosen], out), moved[chosen]):
                broken.append(f"affine {n, k, m} of {len(chosen)}")
    data = TrainingData.from_dataset(make_dataset(rows=700), TASKS)
    for recipe in RECIPES:
        many = _trained(data, recipe, list(range(len(REQUESTS))) * 2)
        for chosen in ([14], [0], [3, 14], [5, 0, 7]):
            found = _trained(data, recipe, chosen)
            broken += [
                f"training {number} of {len(chosen)} with {recipe.hidden}"
                for number, own in zip(chosen, found, strict=True)
                if not torch.equal(own, many[number])
            ]
    return {
        **current_arithmetic().as_versions(),
        "stacking": stacking_of(data, replace(RECIPES[0], epochs=2), REQUESTS),
        "split": products_module.n_split,
        "broken_at_once": broken_at_once,
        "broken": broken,
    }


def _trained(data: TrainingData, recipe: Recipe, numbers: list[int]) -> list[Tensor]:
    stack = StackedTraining(data, [REQUESTS[number] for number in numbers], recipe)
    stack.run_epoch()
    states = (stack.state_dict(member) for member in range(len(numbers)))
    return [torch.cat([value.double().flatten() for value in state.values()]) for state in states]


if __name__ == "__main__":
    print(json.dumps(find()))
