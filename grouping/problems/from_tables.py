"""Problems made of the tables that users store: the second source of problems beside installed ones."""

from __future__ import annotations

from grouping.data_sets.folder import DataFolder, DefinedProblem, data_folder
from grouping.data_sets.making import make
from grouping.domain.trainings.datasets import Dataset
from grouping.problems.problem import Problem

MOST_NAMED = 8


def stored_problems() -> tuple[Problem, ...]:
    """List the problems of the folder of data sets, the newest first; none where no folder is set."""
    folder = data_folder()
    return () if folder is None else tuple(problem_of(folder, found) for found in folder.problems())


def find_stored(name: str) -> Problem | None:
    """Return a stored problem by its whole name, or the newest one made of a data set of that name."""
    found = find_defined(name)
    return None if found is None else problem_of(*found)


def find_defined(name: str) -> tuple[DataFolder, DefinedProblem] | None:
    """Return a stored problem as it was defined, with its folder; see `find_stored`."""
    folder = data_folder()
    if folder is None:
        return None
    for found in folder.problems():
        if name in (found.name, found.data_set.name):
            return folder, found
    return None


def problem_of(folder: DataFolder, found: DefinedProblem) -> Problem:
    """Return what networks can be trained on; the table is read when it is loaded."""

    def load(number: int) -> Dataset:
        return make(folder.frame(found.data_set), found.definition, number).dataset

    split = found.definition.split
    return Problem(
        found.name,
        _title(found),
        _description(found),
        found.tasks,
        load,
        found.recipe,
        found.findings,
        split.most_splits,
        split.folds or 1,
    )


def _title(found: DefinedProblem) -> str:
    targets = [target.label for target in found.definition.targets]
    named = ", ".join(targets[:MOST_NAMED]) + (", ..." if len(targets) > MOST_NAMED else "")
    by = f" by {found.definition.task_column}" if found.definition.task_column else ""
    split = found.definition.split
    divided = f" (split by {split.kind} of {split.column})" if split.column else ""
    return f"{found.data_set.name}: {named}{by}{divided}"


def _description(found: DefinedProblem) -> str:
    split, column, folds = (getattr(found.definition.split, name) for name in ("kind", "column", "folds"))
    return (
        f"Table {found.data_set.source} of {found.data_set.n_rows:,} rows, stored as "
        f"{found.data_set.version}. "
        f"Inputs: {len(found.inputs)}; tasks: {len(found.tasks)}; the split is {split.value}"
        f"{f' by {column}' if column else ''}{f', in {folds} folds' if folds else ''}."
    )
