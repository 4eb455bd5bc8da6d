"""Assembly of the score table and its report from the raw content of a file; the same for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import MAX_TASKS, Task
from grouping.errors import InvalidInputError
from grouping.formats.findings import Findings
from grouping.formats.limits import (
    MAX_LOSS,
    MAX_NETWORKS,
    MAX_OTHER_COSTS,
    MAX_RESULTS,
    MAX_TABLE_SEEDS,
)
from grouping.formats.report import ImportReport, Values, make_report

COST_PREFIX = "cost:"
"""A column of this prefix holds a further cost; the rest of its heading is the name of the cost."""


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """A score table that was read, with its import report.

    Attributes:
        table: the table, of losses.
        report: report on what was read.
    """

    table: ScoreTable
    report: ImportReport


@dataclass(frozen=True, slots=True)
class RawTable:
    """Raw content of a file, before direction and absence are settled.

    Attributes:
        tasks: the `T` tasks.
        networks: the `N` networks, without duplicates.
        seeds: the `S` seeds.
        validation: ``[E, S]`` as written, by cell in the order of `TableCells.of`; NaN where blank, infinite
            where no finite number was written.
        test: test values, ``[E, S]``, in the same form.
        other_costs: further inference costs by name, ``[N]`` each.
        has_seeds: whether the file says with which seed a value was measured.
    """

    tasks: tuple[Task, ...]
    networks: tuple[Network, ...]
    seeds: tuple[int, ...]
    validation: FloatArray
    test: FloatArray
    other_costs: Mapping[str, FloatArray]
    has_seeds: bool = True


def check_counts(
    *, tasks: int = 1, networks: int = 1, seeds: int = 1, other_costs: int = 0, results: int = 0
) -> None:
    """Refuse a table that is too large, before its arrays are made.

    Args:
        tasks: number of tasks.
        networks: number of networks.
        seeds: number of seeds.
        other_costs: number of further costs.
        results: number of cells times seeds.

    Raises:
        InvalidInputError: with the number and the limit.
    """
    for number, limit, what in (
        (tasks, MAX_TASKS, "tasks"),
        (networks, MAX_NETWORKS, "networks"),
        (seeds, MAX_TABLE_SEEDS, "seeds"),
        (other_costs, MAX_OTHER_COSTS, "further costs"),
        (results, MAX_RESULTS, "results (tasks of the groups of all networks, times seeds)"),
    ):
        if number > limit:
            raise InvalidInputError(
                f"the table has {number:,} {what}; at most {limit:,} are read. Leave out what cannot be "
                "chosen anyway: networks that no grouping needs, or further seeds."
            )


def assemble(raw: RawTable, format_name: str, values: Values, findings: Findings) -> ImportedTable:
    """Build the score table and its report.

    A task that diverged with one seed counts as not measured with any, in that network: the mean over the
    seeds that went well would flatter it.

    Raises:
        TableFormatError: if the content is no score table.
    """
    _refuse_too_large(raw, findings)
    validation, n_lost = _without_diverged(raw.validation)
    test, n_test_lost = _without_diverged(raw.test)
    if n_lost + n_test_lost:
        findings.warnings.append(
            "Finite results that were left out, since the same task of the same network has no finite number "
            f"with another seed: {n_lost + n_test_lost:,}."
        )
    if values == "gains":
        validation, test = gains_to_losses(validation), gains_to_losses(test)
    try:
        table = ScoreTable(raw.tasks, raw.networks, raw.seeds, validation, test, other_costs=raw.other_costs)
    except InvalidInputError as error:
        raise findings.error(str(error)) from error
    return ImportedTable(table, make_report(table, format_name, values, findings, has_seeds=raw.has_seeds))


def gains_to_losses(gains: FloatArray) -> FloatArray:
    """Convert gains by ``loss = 1 - gain``, its own inverse up to rounding; absent stays absent."""
    return 1.0 - gains


def _refuse_too_large(raw: RawTable, findings: Findings) -> None:
    for values in (raw.validation, raw.test):
        too_large = np.argwhere(np.isfinite(values) & (np.abs(values) > MAX_LOSS))
        for e, s in too_large[:1]:
            cells = TableCells.of([task.name for task in raw.tasks], raw.networks)
            raise findings.error(
                f"network {raw.networks[cells.rows[e]]}, task {raw.tasks[cells.columns[e]].name}: "
                f"{values[e, s]:g} is too large; at "
                f"most {MAX_LOSS:g} is read, without the sign. Write nan where a training diverged."
            )


def _without_diverged(values: FloatArray) -> tuple[FloatArray, int]:
    """Drop cells ``[E, S]`` that diverged with any seed; also count the finite ones dropped."""
    is_diverged = np.isinf(values)
    if not is_diverged.any():
        return values, 0
    is_lost = np.broadcast_to(is_diverged.any(axis=1, keepdims=True), values.shape)
    return np.where(is_lost, np.nan, values), int((is_lost & np.isfinite(values)).sum())
