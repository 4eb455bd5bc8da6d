"""Work of a training: its own epochs, and those that its methods need before it.

A method that fits a network to the data before it is trained declares how many epochs that takes at most, by
``preparation_epochs(n_tasks, recipe) -> int``. The training budget counts them with the others. They do not
depend on fidelity: what is prepared for a short pass is what the full training goes on with.
"""

from __future__ import annotations

from functools import cache

from grouping.domain.trainings.recipes import Part, Recipe
from grouping.domain.trainings.trials import EpochsOf
from grouping.errors import InvalidInputError
from grouping.recipes.registry import get_declaration


def epochs_of(recipe: Recipe) -> EpochsOf:
    """Return a function that counts all epochs of a training from its number of tasks and its fidelity.

    Raises:
        UnknownNameError, InvalidInputError: if the recipe names what does not exist; when the function is
        called,
            if a method returns an impossible number.
    """
    counting = [
        declaration
        for part in Part
        if hasattr(declaration := get_declaration(part, recipe.method(part)), "preparation_epochs")
    ]

    @cache
    def prepared(n_tasks: int) -> int:
        total = 0
        for declaration in counting:
            epochs = declaration.preparation_epochs(n_tasks, recipe)
            if not isinstance(epochs, int) or epochs < 0:
                raise InvalidInputError(
                    f"The method {declaration.name!r} says that it prepares a network for {epochs!r} epochs; "
                    "preparation_epochs must give a whole number, at least 0."
                )
            total += epochs
        return total

    return lambda n_tasks, fidelity: prepared(n_tasks) + recipe.epochs_at(fidelity)
