"""Import report of a score table, as data and in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Literal

import numpy as np

from grouping.domain.networks import count_candidates
from grouping.domain.tables.dominance import dominance_sentence
from grouping.domain.tables.formats import TableFormat as TableFormat
from grouping.domain.tables.score_table import ScoreTable
from grouping.formats.doubts import doubts
from grouping.formats.findings import Findings, Listing
from grouping.formats.limits import MAX_LISTED
from grouping.formats.words import counted, enumerated, shown_number

Values = Literal["losses", "gains"]
"""Kind of the cells of a file: losses (lower is better) or gains (higher is better)."""

GAIN_FORMULA = "loss = 1 - gain"


LABELS = {
    "wide_csv": "wide CSV",
    "wide_tsv": "wide tab-separated text",
    "long_csv": "long CSV",
    "long_tsv": "long tab-separated text",
    "json": "JSON",
    "parquet": "Parquet",
    "results_txt": "results.txt",
    "wide_frame": "a wide DataFrame",
    "long_frame": "a long DataFrame",
}
"""Names of the formats in sentences."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Report on what was read of a score table, and what is missing.

    Names are in the order of the table. Of each kind at most `MAX_LISTED` are named; the counts are complete.

    Attributes:
        format: the `TableFormat`, or ``wide_frame`` or ``long_frame`` for a DataFrame.
        values: whether the cells were losses or gains; gains became losses by `GAIN_FORMULA`.
        tasks: names of all `T` tasks.
        n_networks: number of networks.
        n_seeds: number of seeds.
        has_seeds: whether the file says with which seed a value was measured.
        n_sizes: number of different sizes.
        sizes: the different sizes, ascending.
        other_costs: names of the further inference costs.
        largest_group_size: tasks in the largest group at full size (size 1); 0 where there is none.
        n_expected_groups: number of groups of up to that many of the tasks.
        n_missing_groups: number of those groups that the table does not have at full size.
        missing_groups: the missing groups, smaller ones first.
        n_duplicates: rows or cells that repeated an earlier one with the same numbers; they were merged.
        duplicates: places of the duplicates.
        n_non_finite_cells: cells with ``nan``, ``inf`` and the like; they count as not measured.
        non_finite_cells: places of those cells.
        n_incomplete_networks: networks with a task without any validation loss; no solve uses them.
        incomplete_networks: the incomplete networks.
        uncovered_tasks: tasks that no complete network has; while there are any, no grouping exists.
        warnings: sentences about anything else to look at.
        notes: sentences about how the file is written, which change no answer.
        dominance: sentence about a task that makes up most of the sum of the losses, empty if none does.
    """

    format: str
    values: Values
    tasks: tuple[str, ...]
    n_networks: int
    n_seeds: int
    has_seeds: bool
    n_sizes: int
    sizes: tuple[float, ...]
    other_costs: tuple[str, ...]
    largest_group_size: int
    n_expected_groups: int
    n_missing_groups: int
    missing_groups: tuple[str, ...]
    n_duplicates: int
    duplicates: tuple[str, ...]
    n_non_finite_cells: int
    non_finite_cells: tuple[str, ...]
    n_incomplete_networks: int
    incomplete_networks: tuple[str, ...]
    uncovered_tasks: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    dominance: str

    def sentences(self) -> tuple[str, ...]:
        """Return the report in sentences, the most important first."""
        gains = f"gains (higher is better), turned into losses as {GAIN_FORMULA}"
        direction = gains if self.values == "gains" else "losses (lower is better)"
        sizes = enumerated([f"{size:g}" for size in self.sizes], self.n_sizes)
        said = [
            f"Read as {LABELS[self.format]}; the values are {direction}.",
            *self.notes,
            f"{counted(len(self.tasks), 'task')}: {enumerated(self.tasks, len(self.tasks))}.",
            f"{counted(self.n_networks, 'network')} (size {sizes}), {counted(self.n_seeds, 'seed')}.",
        ]
        if self.other_costs:
            said.append(f"Further costs: {', '.join(self.other_costs)}.")
        said.extend(self._uncovered())
        said.append(self._groups_sentence())
        said.extend(self._not_measured())
        if self.n_duplicates:
            repeated = enumerated(self.duplicates, self.n_duplicates)
            said.append(
                "Entries that repeat an earlier one with the same numbers, and were merged with it: "
                f"{self.n_duplicates:,} ({repeated})."
            )
        return (*said, *self.warnings, *filter(None, [self.dominance]))

    def findings(self, dominance: str | None = None) -> tuple[str, ...]:
        """Return the sentences about what changes the answer of a solve; a part of `sentences`.

        Args:
            dominance: replaces `dominance`, for other weights or another objective than those of the file;
                empty for none.
        """
        weighed = self.dominance if dominance is None else dominance
        return (*self._uncovered(), *self._not_measured(), *self.warnings, *filter(None, [weighed]))

    def _uncovered(self) -> tuple[str, ...]:
        if not self.uncovered_tasks:
            return ()
        names = enumerated(self.uncovered_tasks, len(self.uncovered_tasks))
        return (f"No complete network has {names}: there is no grouping of all tasks.",)

    def _not_measured(self) -> Iterator[str]:
        for what, count, listed in (
            (
                "Networks without a result for some task, which take no part in solving",
                self.n_incomplete_networks,
                self.incomplete_networks,
            ),
            (
                "Cells without a finite number, which count as not measured",
                self.n_non_finite_cells,
                self.non_finite_cells,
            ),
        ):
            if count:
                yield f"{what}: {count:,} ({enumerated(listed, count)})."

    def _groups_sentence(self) -> str:
        if not self.largest_group_size:
            return "There is no network of full size (size 1)."
        expected = f"{counted(self.n_expected_groups, 'group')} of up to "
        expected += f"{counted(self.largest_group_size, 'task')} at full size"
        if not self.n_missing_groups:
            return f"Nothing is missing of the {expected}."
        names = enumerated(self.missing_groups, self.n_missing_groups)
        return f"Missing of the {expected}: {shown_number(self.n_missing_groups)} ({names})."


def make_report(
    table: ScoreTable, format_name: str, values: Values, findings: Findings, *, has_seeds: bool
) -> ImportReport:
    """Build the report on a table that has been read."""
    order = table.task_names
    present = {network.group for network in table.networks if network.size == 1}
    largest = max((len(group) for group in present), default=0)
    n_expected = count_candidates(len(order), largest)
    # The walk meets at most as many present groups as there are, so it is short even among 2^200.
    missing = (
        "+".join(group)
        for k in range(1, largest + 1)
        for group in combinations(order, k)
        if frozenset(group) not in present
    )
    incomplete = Listing()
    incomplete.extend(table.networks[n].name(order) for n in np.flatnonzero(~table.is_complete))
    cells = table.cells
    covered = np.zeros(len(order), dtype=np.bool_)
    covered[cells.columns[table.is_complete[cells.rows]]] = True
    sizes = sorted({network.size for network in table.networks})
    return ImportReport(
        format=format_name,
        values=values,
        tasks=order,
        n_networks=len(table.networks),
        n_seeds=len(table.seeds),
        has_seeds=has_seeds,
        n_sizes=len(sizes),
        sizes=tuple(sizes[:MAX_LISTED]),
        other_costs=tuple(table.other_costs),
        largest_group_size=largest,
        n_expected_groups=n_expected,
        n_missing_groups=n_expected - len(present),
        missing_groups=tuple(islice(missing, MAX_LISTED)),
        n_duplicates=findings.duplicates.count,
        duplicates=tuple(findings.duplicates.named),
        n_non_finite_cells=findings.non_finite.count,
        non_finite_cells=tuple(findings.non_finite.named),
        n_incomplete_networks=incomplete.count,
        incomplete_networks=tuple(incomplete.named),
        uncovered_tasks=tuple(
            name for name, is_covered in zip(order, covered.tolist(), strict=True) if not is_covered
        ),
        warnings=(*findings.warnings, *doubts(table, values)),
        notes=tuple(findings.notes),
        dominance=dominance_sentence(table),
    )
