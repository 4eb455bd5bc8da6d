"""Messages between the reading process and its parent: a line of JSON, then plain bytes. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.errors import TableFormatError
from grouping.formats.assembly import ImportedTable
from grouping.formats.report import ImportReport, TableFormat, Values
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The arguments of `read_table`, as a message."""

    data: bytes
    format: TableFormat | None
    values: Values
    test: bytes | None
    task_names: Sequence[str] | None
    sizes: Mapping[str, float] | None = None
    groups: bytes | None = None

    def encode(self) -> bytes:
        """Encode the request as bytes."""
        parts = (self.data, self.test, self.groups)
        head = {
            "lengths": [None if part is None else len(part) for part in parts],
            "format": self.format,
            "values": self.values,
            "task_names": None if self.task_names is None else list(self.task_names),
            "sizes": None if self.sizes is None else dict(self.sizes),
        }
        return b"".join((json.dumps(head).encode(), b"\n", *(part for part in parts if part is not None)))

    @classmethod
    def decode(cls, message: bytes) -> ReadRequest:
        """Decode the result of `encode`."""
        line, _, content = message.partition(b"\n")
        head = json.loads(line)
        parts: list[bytes | None] = []
        for length in head["lengths"]:
            parts.append(None if length is None else content[:length])
            content = content[length or 0 :]
        data, test, groups = parts
        return cls(
            data or b"",
            None if head["format"] is None else TableFormat(head["format"]),
            head["values"],
            test,
            head["task_names"],
            head["sizes"],
            groups,
        )


def encode_error(error: TableFormatError) -> bytes:
    """Encode an error as the answer."""
    return json.dumps({"error": str(error), "line": error.line}).encode() + b"\n"


def encode_table(imported: ImportedTable) -> bytes:
    """Encode a table and its report as the answer: names and sizes in JSON, then the arrays."""
    table = imported.table
    cells = table.cells
    head = {
        "error": None,
        "report": asdict(imported.report),
        "tasks": tasks_to_json(table.tasks),
        "seeds": table.seeds,
        "networks": [
            (cells.columns[cells.of_row(n)].tolist(), network.size, network.cost_snt)
            for n, network in enumerate(table.networks)
        ],
    }
    arrays = (table.validation_scores, table.test_scores, *table.other_costs.values())
    return b"".join((json.dumps(head).encode(), b"\n", *(array.tobytes() for array in arrays)))


def decode_answer(message: bytes) -> ImportedTable:
    """Decode the table and its report.

    Raises:
        TableFormatError: if the answer is an error.
    """
    line, _, content = message.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    if head["error"] is not None:
        error = TableFormatError(head["error"])
        error.line = head["line"]
        raise error
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in head["report"].items()
    }
    report = ImportReport(**fields)
    names = report.tasks
    networks = tuple(
        Network(frozenset(names[t] for t in group), size, cost) for group, size, cost in head["networks"]
    )
    numbers: FloatArray = np.frombuffer(content, dtype=np.float64)
    shape = (sum(len(network.group) for network in networks), len(head["seeds"]))
    n_results = shape[0] * shape[1]
    costs = numbers[2 * n_results :].reshape(len(report.other_costs), len(networks))
    table = ScoreTable(
        tasks_from_json(head["tasks"], "/tasks"),
        networks,
        tuple(head["seeds"]),
        numbers[:n_results].reshape(shape),
        numbers[n_results : 2 * n_results].reshape(shape),
        other_costs=dict(zip(report.other_costs, costs, strict=True)),
    )
    return ImportedTable(table, report)
