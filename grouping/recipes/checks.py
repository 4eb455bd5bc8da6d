"""Checks of a recipe before anything is trained: all rules that do not depend on the data.

The rules are those of training. They stand in the declarations, and the implementations check them too; here
they are checked for all networks that a job may train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Part, Recipe
from grouping.errors import InvalidInputError
from grouping.recipes.registry import get_declaration
from grouping.recipes.schedules import FineTuning, require_epochs
from grouping.recipes.sharing import SHARING


def check_trainable(recipe: Recipe, tasks: Sequence[Task], largest: int) -> None:
    """Refuse a recipe under which some network of the tasks could not be trained.

    Args:
        recipe: a complete recipe.
        tasks: tasks that networks are made of.
        largest: number of tasks of the largest network.

    Raises:
        InvalidInputError: saying what would do, pointing into the recipe.
    """
    for part in Part:
        check_recipe = getattr(get_declaration(part, recipe.method(part)), "check_recipe", None)
        if check_recipe is not None:
            check_recipe(recipe, tasks)
    _check_patience(recipe)
    _check_schedule(recipe, tasks, largest)


def _check_patience(recipe: Recipe) -> None:
    if recipe.patience and recipe.schedule.name != "joint":
        raise InvalidInputError(
            f"With patience a training may end in any epoch, and the schedule {recipe.schedule.name!r} needs "
            "all of its phases: set patience to 0, or choose the schedule 'joint'.",
            pointer="/patience",
        )


def stages_below(recipe: Recipe, tasks: Sequence[Task]) -> Mapping[str, int] | None:
    """Return for each task how many stages are below its head; None if the method does not tell.

    A network has one depth more than the deepest of its tasks: see `MultiTaskNetwork.depths`.
    """
    sharing, n_stages = get_declaration(Part.SHARING, recipe.sharing), len(recipe.hidden)
    own = getattr(sharing, "stages_below", None)
    if own is not None:
        return {task.name: own(task, n_stages) for task in tasks}
    return dict.fromkeys((task.name for task in tasks), n_stages) if type(sharing) in SHARING else None


def _check_schedule(recipe: Recipe, tasks: Sequence[Task], largest: int) -> None:
    schedule = get_declaration(Part.SCHEDULE, recipe.schedule)
    n_phases = getattr(schedule, "n_phases", None)
    if n_phases is None:
        return
    stages = stages_below(recipe, tasks)
    if isinstance(schedule, FineTuning) and stages is not None and largest > 1:
        fewest = schedule.fewest_depths(stages)
        if fewest is not None:
            schedule.check_depths(fewest)
    named = [task for _, task in getattr(schedule, "named_tasks", tuple)()]
    # What the schedule speaks of makes the most phases.
    names = sorted((task.name for task in tasks), key=lambda name: name not in named)[:largest]
    most_depths = 1 if stages is None else 1 + max(stages.values())
    needed = n_phases(names, most_depths)
    network = f"a network of {len(names)} tasks" if len(names) > 1 else "a network of one task"
    require_epochs(schedule.name, recipe.epochs, needed, network)
