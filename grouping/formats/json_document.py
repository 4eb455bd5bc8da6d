"""The JSON format: everything a score table holds, and nothing but finite numbers.

    {"format": "mtl-grouping score table", "version": 1,
     "tasks": [{"name": "depth", "kind": "regression", "weight": 1.0}, {"name": "edges"}],
     "seeds": [0, 1],
     "networks": [
      {"size": 1.0, "cost_snt": 1.0, "other_costs": {"latency_ms": 7.5},
       "validation_losses": {"depth": [0.1748, 0.1751], "edges": [0.0136, null]},
       "test_losses": {"depth": [0.1753, null]}}]}

The group of a network is the set of the keys of ``validation_losses``; each holds a loss per seed, null where
there is none. A task may leave out all but its name, and a network ``other_costs`` and ``test_losses``.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import check_name
from grouping.errors import InvalidInputError
from grouping.formats.assembly import RawTable, check_counts
from grouping.formats.findings import Findings
from grouping.formats.report import Values
from grouping.formats.strict_json import (
    parse_json,
    read_integer,
    read_list,
    read_mapping,
    read_number,
    read_object,
)
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json

FORMAT_NAME = "mtl-grouping score table"
VERSION = 1


def write_json(table: ScoreTable) -> str:
    """Return the table in the JSON format, a line per network; exact to the last digit."""
    head = {
        "format": FORMAT_NAME,
        "version": VERSION,
        "tasks": tasks_to_json(table.tasks),
        "seeds": list(table.seeds),
        "networks": [],
    }
    networks = ",\n".join(
        json.dumps(_network_to_json(table, n), allow_nan=False) for n in range(len(table.networks))
    )
    return json.dumps(head, allow_nan=False)[:-2] + f"\n{networks}\n]}}\n"


def _network_to_json(table: ScoreTable, n: int) -> dict[str, Any]:
    network = table.networks[n]
    document: dict[str, Any] = {"size": network.size, "cost_snt": network.cost_snt}
    if table.other_costs:
        document["other_costs"] = {name: float(costs[n]) for name, costs in table.other_costs.items()}
    own = table.cells.of_row(n)
    columns = table.cells.columns[own].tolist()
    for key, scores in (
        ("validation_losses", table.validation_scores[own]),
        ("test_losses", table.test_scores[own]),
    ):
        document[key] = {
            table.tasks[t].name: [None if math.isnan(loss) else loss for loss in row]
            for t, row in zip(columns, scores.tolist(), strict=True)
        }
    return document


def read_json(text: str, values: Values, findings: Findings) -> RawTable:
    """Read the JSON format.

    Raises:
        TableFormatError: if it is not such a document; names the place by its JSON pointer.
    """
    try:
        if values != "losses":
            raise InvalidInputError("a JSON score table holds losses; import it as such.")
        return _table_from_json(parse_json(text))
    except InvalidInputError as error:
        raise findings.error(str(error)) from error


def _table_from_json(document: object) -> RawTable:
    fields = read_object(document, "", ("format", "version", "tasks", "seeds", "networks"))
    if (fields["format"], fields["version"]) != (FORMAT_NAME, VERSION):
        raise InvalidInputError(
            f"/format and /version must be {FORMAT_NAME!r} and {VERSION}; another version of this program "
            "may read others."
        )
    listed_tasks = read_list(fields["tasks"], "/tasks")
    listed_seeds = read_list(fields["seeds"], "/seeds")
    listed = read_list(fields["networks"], "/networks")
    check_counts(tasks=len(listed_tasks), networks=len(listed), seeds=len(listed_seeds))
    if not listed:
        raise InvalidInputError("the table has no networks.")
    tasks = tasks_from_json(listed_tasks, "/tasks")
    seeds = tuple(read_integer(seed, f"/seeds/{s}") for s, seed in enumerate(listed_seeds))
    if len(set(seeds)) != len(seeds):
        raise InvalidInputError("/seeds names a seed twice.")
    column = {task.name: t for t, task in enumerate(tasks)}
    losses: tuple[list[FloatArray], list[FloatArray]] = ([], [])  # ``[tasks of the group, S]`` by network
    networks: list[Network] = []
    costs: list[dict[str, float]] = []
    n_results = 0
    for n, item in enumerate(listed):
        pointer = f"/networks/{n}"
        network = read_object(
            item, pointer, ("size", "cost_snt", "validation_losses"), ("other_costs", "test_losses")
        )
        known = _read_losses(network["validation_losses"], f"{pointer}/validation_losses", column, len(seeds))
        tested = _read_losses(network.get("test_losses", {}), f"{pointer}/test_losses", column, len(seeds))
        group = frozenset(known)
        if not tested.keys() <= group:
            raise InvalidInputError(f"{pointer}/test_losses names tasks that /validation_losses does not.")
        n_results += len(group) * len(seeds)
        check_counts(results=n_results)
        unknown = [math.nan] * len(seeds)
        for split, read in zip(losses, (known, tested), strict=True):
            rows = [read.get(name, unknown) for name in sorted(group, key=column.__getitem__)]
            split.append(np.array(rows, dtype=np.float64).reshape(len(group), len(seeds)))
        size = read_number(network["size"], f"{pointer}/size")
        networks.append(Network(group, size, read_number(network["cost_snt"], f"{pointer}/cost_snt")))
        costs.append(_read_costs(network.get("other_costs", {}), f"{pointer}/other_costs"))
        if costs[n].keys() != costs[0].keys():
            raise InvalidInputError(f"{pointer}/other_costs must name the same costs as the other networks.")
    other_costs = {name: np.array([listed_costs[name] for listed_costs in costs]) for name in costs[0]}
    return RawTable(
        tasks, tuple(networks), seeds, np.concatenate(losses[0]), np.concatenate(losses[1]), other_costs
    )


def _read_losses(
    document: object, pointer: str, column: dict[str, int], n_seeds: int
) -> dict[str, list[float]]:
    """Read the losses of a network by task, one per seed each."""
    losses = read_mapping(document, pointer)
    found: dict[str, list[float]] = {}
    for name, listed in losses.items():
        if name not in column:
            raise InvalidInputError(f"{pointer} names {name[:80]!r}, which is none of the tasks.")
        row = read_list(listed, f"{pointer}/{name}")
        if len(row) != n_seeds:
            raise InvalidInputError(f"{pointer}/{name} has {len(row)} losses; one per seed is {n_seeds}.")
        found[name] = [
            math.nan if loss is None else read_number(loss, f"{pointer}/{name}/{s}")
            for s, loss in enumerate(row)
        ]
    return found


def _read_costs(document: object, pointer: str) -> dict[str, float]:
    listed = read_mapping(document, pointer)
    check_counts(other_costs=len(listed))
    return {check_name(name, "cost"): read_number(cost, f"{pointer}/{name}") for name, cost in listed.items()}
