"""Rows of the page of scores: searched, sorted and paged on the server, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

import numpy as np
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.verdicts.gains import mean_losses_alone
from grouping.errors import UnknownNameError
from grouping_api.web.affinity_view import LEAST_SCALE, shade

ROWS_PER_PAGE = 50
MOST_LOSSES = 24
"""Losses of a network that are shown; of more, those of tasks asked for, and the most telling ones."""
MOST_ORDERS = 60
"""Tasks by whose loss is offered to sort; of more, those that are asked for."""
LOSS_OF = "loss of "
"""Orders by the loss of a task are called so, followed by its name."""
ORDERS = {"": "table", "cost": "cost", "tasks": "number of tasks"}
"""The other orders, with what they are called."""


class ScoresFields(BaseModel):
    """What is shown of the scores, as text from the address."""

    model_config = ConfigDict(frozen=True)

    q: Annotated[str, Field(max_length=400)] = ""
    sort: Annotated[str, Field(max_length=400)] = ""
    down: Annotated[str, Field(max_length=5)] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    def query(self, **changes: str | int) -> str:
        """Write the fields as the query of an address, with some of them changed."""
        fields = {**self.model_dump(), **changes}
        return urlencode(
            {name: value for name, value in fields.items() if value and (name, value) != ("page", 1)}
        )


ScoresQuery = Annotated[ScoresFields, Query()]


@dataclass(frozen=True, slots=True)
class LossShown:
    """Loss of a task in a network.

    Attributes:
        task: name of the task.
        loss: mean validation loss.
        css: class of its colour: how it compares with the task alone.
        said: the comparison in words; empty where there is nothing to compare with.
    """

    task: str
    loss: float
    css: str
    said: str


@dataclass(frozen=True, slots=True)
class ScoresRow:
    """Row of the page: a network with its costs and losses.

    Attributes:
        network: the network.
        other_costs: its further costs, in the order of the table.
        dots: a filled dot for each task that it is trained on and an empty one for each other, in order.
        losses: for each task of the table its loss; None where the network has none.
        known: the losses that it has, or `MOST_LOSSES` of them, in the order of the table.
        n_more: number of losses that it has beside these.
    """

    network: Network
    other_costs: tuple[float, ...]
    dots: str
    losses: tuple[LossShown | None, ...]
    known: tuple[LossShown, ...]
    n_more: int


@dataclass(frozen=True, slots=True)
class ScoresView:
    """One page of rows.

    Attributes:
        table: the score table.
        fields: what was asked for.
        orders: names of the orders, with what they are called.
        rows: the rows shown.
        first: number of the first of them, from 1.
        n_found: number of networks that were found.
        n_networks: number of networks of the table.
        scale: gain or loss against alone that has the strongest colour; 0 where nothing is compared.
    """

    table: ScoreTable
    fields: ScoresFields
    orders: dict[str, str]
    rows: tuple[ScoresRow, ...]
    first: int
    n_found: int
    n_networks: int
    scale: float

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return self.first + len(self.rows) - 1

    @property
    def earlier(self) -> str:
        """Query of the page before this one; empty on the first."""
        return self.fields.query(page=self.fields.page - 1) or "page=1" if self.fields.page > 1 else ""

    @property
    def later(self) -> str:
        """Query of the next page; empty on the last."""
        return self.fields.query(page=self.fields.page + 1) if self.last < self.n_found else ""

    def sorted_by(self, order: str) -> str:
        """Query that sorts by an order, or turns the order round where it is sorted so already."""
        is_turned = self.fields.sort == order and not self.fields.down
        return self.fields.query(sort=order, down="yes" if is_turned else "", page=1)


def check_order(tasks: Sequence[str], order: str) -> None:
    """Refuse an order that a table of these tasks does not have.

    Raises:
        UnknownNameError: if there is no such order.
    """
    if order not in ORDERS and order.removeprefix(LOSS_OF) not in tasks:
        named = [LOSS_OF + task for task in tasks[:MOST_ORDERS]]
        raise UnknownNameError("order of the scores", order, [*ORDERS.values(), *named])


def view_scores(table: ScoreTable, fields: ScoresFields) -> ScoresView:
    """Find, sort and colour one page of rows; the order is one of the table's, see `check_order`."""
    words = _words(fields.q)
    wanted = [task for task in table.task_names if any(word in task.casefold() for word in words)]
    named = table.task_names if len(table.tasks) <= MOST_ORDERS else wanted[:MOST_ORDERS]
    orders = {**ORDERS, **{LOSS_OF + task: LOSS_OF + task for task in named}}
    if fields.sort not in orders:
        orders[fields.sort] = fields.sort
    found = list(_found(table.networks, words))
    if fields.sort:
        values = _values(table, fields.sort)[found]
        order = np.argsort(-values if fields.down else values, kind="stable")
        found = [found[place] for place in order.tolist()]
    elif fields.down:
        found.reverse()
    start = (fields.page - 1) * ROWS_PER_PAGE
    gains = _gains(table)
    scale = max(LEAST_SCALE, float(np.nanmax(np.abs(gains), initial=0.0, where=~np.isnan(gains))))
    rows = tuple(_row(table, gains, scale, n, wanted) for n in found[start : start + ROWS_PER_PAGE])
    is_compared = bool(np.any(~np.isnan(gains)))
    return ScoresView(
        table, fields, orders, rows, start + 1, len(found), len(table.networks), scale if is_compared else 0.0
    )


def _words(asked: str) -> list[str]:
    return [word for word in re.split(r"[\s+,]+", asked.casefold()) if word]


def _found(networks: Sequence[Network], words: Sequence[str]) -> Iterator[int]:
    """Yield the networks of which each word is part of the name of a task."""
    for n, network in enumerate(networks):
        names = [name.casefold() for name in network.group]
        if all(any(word in name for name in names) for word in words):
            yield n


def _values(table: ScoreTable, order: str) -> FloatArray:
    if order == "cost":
        return np.asarray(table.costs_snt, dtype=float)
    if order == "tasks":
        return np.array([float(len(network.group)) for network in table.networks])
    values = np.full(len(table.networks), np.nan)
    of_task = table.cells.columns == table.task_names.index(order.removeprefix(LOSS_OF))
    values[table.cells.rows[of_task]] = table.cell_losses[of_task]
    return values


def _gains(table: ScoreTable) -> FloatArray:
    """Return the gain of each loss over the task alone at full size, by cell, ``[E]``; NaN where unknown."""
    alone = np.asarray(mean_losses_alone(table), dtype=float)[table.cells.columns]
    return (alone - table.cell_losses) / np.where(alone == 0, np.nan, np.abs(alone))


def _row(table: ScoreTable, gains: FloatArray, scale: float, n: int, wanted: Sequence[str]) -> ScoresRow:
    network, at, tasks = table.networks[n], table.cells.of_row(n), table.task_names
    columns = table.cells.columns[at].tolist()
    losses, of_row = table.cell_losses[at], gains[at]
    known = [
        (column, _loss(tasks[column], float(loss), float(gain), scale), abs(float(gain)))
        for column, loss, gain in zip(columns, losses, of_row, strict=True)
        if not np.isnan(loss)
    ]
    telling = sorted(known, key=lambda one: (one[1].task not in wanted, np.isnan(one[2]), -one[2]))
    kept = {column for column, *_ in telling[:MOST_LOSSES]}
    by_column = {column: loss for column, loss, _ in known}
    return ScoresRow(
        network,
        tuple(float(costs[n]) for costs in table.other_costs.values()),
        "".join("●" if task in network.group else "○" for task in tasks),
        tuple(by_column.get(column) for column in range(len(tasks))),
        tuple(loss for column, loss in by_column.items() if column in kept),
        len(known) - len(kept),
    )


def _loss(task: str, loss: float, gain: float, scale: float) -> LossShown:
    if np.isnan(gain):
        return LossShown(task, loss, "", "")
    if gain == 0:
        return LossShown(task, loss, "", "as alone")
    words = f"{abs(100 * gain):.1f} % {'lower' if gain > 0 else 'higher'} than alone"
    return LossShown(task, loss, shade(gain, scale), words)
