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

from grouping.domain.gains import mean_losses_alone
from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.errors import UnknownNameError
from grouping_api.web.affinity_view import LEAST_SCALE, shade

ROWS_PER_PAGE = 50
LOSS_OF = "loss of "
"""Orders by the loss of a task are called so, followed by its name."""


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
    """

    network: Network
    other_costs: tuple[float, ...]
    dots: str
    losses: tuple[LossShown | None, ...]

    @property
    def known(self) -> list[LossShown]:
        """The losses that it has."""
        return [loss for loss in self.losses if loss is not None]


@dataclass(frozen=True, slots=True)
class ScoresView:
    """One page of rows.

    Attributes:
        fields: what was asked for.
        orders: names of the orders, with what they are called.
        rows: the rows shown.
        first: number of the first of them, from 1.
        n_found: number of networks that were found.
        n_networks: number of networks of the table.
        scale: gain or loss against alone that has the strongest colour; 0 where nothing is compared.
    """

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


def view_scores(table: ScoreTable, fields: ScoresFields) -> ScoresView:
    """Find, sort and colour one page of rows.

    Raises:
        UnknownNameError: if there is no such order.
    """
    orders = {"": "table", "cost": "cost", "tasks": "number of tasks"}
    orders |= {LOSS_OF + task: LOSS_OF + task for task in table.task_names}
    if fields.sort not in orders:
        raise UnknownNameError("order of the scores", fields.sort, list(orders.values()))
    found = list(_found(table.networks, fields.q))
    if fields.sort:
        values = _values(table, fields.sort)[found]
        order = np.argsort(-values if fields.down else values, kind="stable")
        found = [found[place] for place in order.tolist()]
    elif fields.down:
        found.reverse()
    start = (fields.page - 1) * ROWS_PER_PAGE
    gains = _gains(table)
    scale = max(LEAST_SCALE, float(np.nanmax(np.abs(gains), initial=0.0, where=~np.isnan(gains))))
    rows = tuple(_row(table, gains, scale, n) for n in found[start : start + ROWS_PER_PAGE])
    is_compared = bool(np.any(~np.isnan(gains)))
    return ScoresView(
        fields, orders, rows, start + 1, len(found), len(table.networks), scale if is_compared else 0.0
    )


def _found(networks: Sequence[Network], asked: str) -> Iterator[int]:
    """Yield the networks of which each asked word is part of the name of a task."""
    words = [word for word in re.split(r"[\s+,]+", asked.casefold()) if word]
    for n, network in enumerate(networks):
        names = [name.casefold() for name in network.group]
        if all(any(word in name for name in names) for word in words):
            yield n


def _values(table: ScoreTable, order: str) -> FloatArray:
    if order == "cost":
        return np.asarray(table.costs_snt, dtype=float)
    if order == "tasks":
        return np.array([float(len(network.group)) for network in table.networks])
    return table.validation[:, table.task_names.index(order.removeprefix(LOSS_OF))]


def _gains(table: ScoreTable) -> FloatArray:
    """Return the gain of each loss over the task alone at full size, ``[N, T]``; NaN where unknown."""
    alone = np.asarray(mean_losses_alone(table), dtype=float)
    return (alone - table.validation) / np.where(alone == 0, np.nan, np.abs(alone))


def _row(table: ScoreTable, gains: FloatArray, scale: float, n: int) -> ScoresRow:
    network, losses = table.networks[n], table.validation[n]
    return ScoresRow(
        network,
        tuple(float(costs[n]) for costs in table.other_costs.values()),
        "".join("●" if task in network.group else "○" for task in table.task_names),
        tuple(
            None if np.isnan(losses[t]) else _loss(task, float(losses[t]), float(gains[n, t]), scale)
            for t, task in enumerate(table.task_names)
        ),
    )


def _loss(task: str, loss: float, gain: float, scale: float) -> LossShown:
    if np.isnan(gain):
        return LossShown(task, loss, "", "")
    if gain == 0:
        return LossShown(task, loss, "", "as alone")
    words = f"{abs(100 * gain):.1f} % {'lower' if gain > 0 else 'higher'} than alone"
    return LossShown(task, loss, shade(gain, scale), words)
