"""Score tables of a service: reading and solving, for tables of jobs and imported ones."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from grouping.client.connection import Answer, Connection
from grouping.domain.affinities.methods import DEFAULT_METHOD
from grouping.domain.tables.exports import Exported, ExportFormat
from grouping.wire.groupings import CurveOut, GroupingAnswer
from grouping.wire.scores import AffinityOut, ScoresOut, ScoreTableOut
from grouping.wire.stored_groupings import ExplanationOut, GroupingPage, GroupingSummary, StoredGroupingOut

_TOLD_OF_AFFINITY = {
    "method",
    "formula",
    "meaning",
    "summary",
    "warnings",
    "statuses",
    "standard_errors",
    "n_networks",
    "at_random",
    "missing",
}


class TableViews:
    """Methods to read and solve a score table, of a job or imported. They train nothing."""

    _client: Connection

    @property
    def table_id(self) -> str:
        """Identifier of the score table."""
        raise NotImplementedError

    def grouping(self, budget_snt: float) -> GroupingAnswer:
        """Find the best grouping for any inference budget."""
        return self._view(GroupingAnswer, "grouping", budget_snt=budget_snt)

    def curve(self, budgets_snt: list[float] | None = None, **request: Any) -> CurveOut:
        """Find the best groupings over inference budgets, under constraints; see ``POST .../curve``."""
        body = {"budgets_snt": budgets_snt, **request}
        return self._client.read(CurveOut, "POST", self._address("curve"), json=body)

    def pairwise_grouping(self, budget_snt: float, **request: Any) -> GroupingAnswer:
        """Choose among all groups, estimated from singles and pairs; see ``POST .../pairwise-grouping``."""
        body = {"budget_snt": budget_snt, **request}
        address = self._address("pairwise-grouping")
        return self._client.read(GroupingAnswer, "POST", address, json=body)

    def affinity(self, method: str = DEFAULT_METHOD) -> pd.DataFrame:
        """Return an affinity matrix: the row is the source task, the column the target; positive helps.

        Args:
            method: ``estimate`` in pairs or ``posterior`` over all groups, from whatever was trained;
                ``pairwise`` or ``higher-order``, from full-size networks; ``tag``, ``cosine`` or
                ``first-order``, where a joint run measured them; ``overlap``, in jobs with the sharing
                ``sparse``: how far the masks of two tasks overlap, 0 to 1, which says nothing of help.

        Returns:
            The values, NaN where unknown; ``attrs`` of the frame holds ``method``, ``formula``, ``meaning``,
            ``summary`` and ``warnings``; as lists of rows ``statuses`` (``measured``, ``estimated`` or
            ``unknown``), ``standard_errors``, ``n_networks`` and ``at_random``, the overlaps of masks drawn
            at random (None for other methods); and ``missing``: which pairs are not measured, how many
            trainings that takes, and the job that does it (None if none are; see `RemoteJob.measure_pairs`).

        Raises:
            ServiceError: if the method does not exist, or was not measured for this table.
        """
        answer = self.affinity_answer(method)
        frame = pd.DataFrame(answer.values, index=answer.tasks, columns=answer.tasks, dtype=float)
        frame.attrs.update(iter(answer.model_dump(mode="json", include=_TOLD_OF_AFFINITY).items()))
        return frame

    def affinity_answer(self, method: str = DEFAULT_METHOD) -> AffinityOut:
        """Return the whole answer of the service on an affinity matrix; see `affinity`."""
        return self._view(AffinityOut, "affinity", method=method)

    def scores(self) -> pd.DataFrame:
        """Return every cell of the score table, a row per network and task.

        Columns are ``network``, ``group``, ``size``, ``cost_snt``, ``task``, and for ``validation`` and
        ``test``, the losses, each ``.mean``, ``.standard_error``, ``.n`` and ``.by_seed.N``. Where trainings
        measured metrics, so for ``validation_metric`` and ``test_metric``.
        """
        cells = (cell.model_dump() for cell in self._view(ScoresOut, "scores").cells)
        return pd.json_normalize([{k: v for k, v in cell.items() if v is not None} for cell in cells])

    def solve(
        self, budget_snt: float, *, idempotency_key: str | None = None, **request: Any
    ) -> StoredGroupingOut:
        """Solve under constraints and store the answer; the fields are those of ``POST .../groupings``.

        Args:
            budget_snt: the inference budget.
            idempotency_key: the same key gives the same grouping; a new one unless given.
            **request: ``constraints``, ``weights``, ``objective``, ``cost``, ``k``, ``confidence``.

        Raises:
            ServiceError: if the table lacks a task, network or cost of the request. Infeasible is an answer.
        """
        body = {"budget_snt": budget_snt, **request}
        address = self._address("groupings")
        return self._client.create(StoredGroupingOut, address, idempotency_key, json=body)

    def groupings(self) -> list[GroupingSummary]:
        """List the stored groupings in short, newest first; at most 100."""
        return self._view(GroupingPage, "groupings", page_size=100).items

    def explanation(self, grouping_id: str) -> list[str]:
        """Explain in sentences why the networks of a stored grouping were chosen."""
        path = f"/v1/groupings/{grouping_id}/explanation"
        return self._client.read(ExplanationOut, "GET", path).sentences

    def export(self, format: str = "csv") -> bytes:  # noqa: A002
        """Return the table as a file: ``csv``, ``tsv``, ``long-csv``, ``long-tsv``, ``parquet``, ``json``."""
        return self._client.download(self._address("export"), format=format)

    def export_view(
        self,
        what: Exported | str,
        format: ExportFormat | str = ExportFormat.CSV,  # noqa: A002
        *,
        method: str = DEFAULT_METHOD,
        budget_snt: float | None = None,
    ) -> bytes:
        """Return ``matrix``, ``graph``, ``curve`` or ``networks`` as a file.

        Args:
            what: what is exported.
            format: ``csv``, ``json``, ``parquet``, which hold the same rows, or ``svg``, the picture.
            method: affinity method of matrix and graph.
            budget_snt: inference budget of the networks; the middle one of the job unless given.

        Raises:
            ServiceError: if the method was not measured, or there is no grouping within the budget.
        """
        asked = {"format": str(format), "method": method}
        asked |= {} if budget_snt is None else {"budget_snt": f"{budget_snt!r}"}
        return self._client.download(self._address(f"export/{what}"), **asked)

    def _view(self, kind: type[Answer], view: str, **parameters: Any) -> Answer:
        return self._client.read(kind, "GET", self._address(view), params=parameters)

    def _address(self, view: str) -> str:
        return f"/v1/score-tables/{self.table_id}/{view}"


class RemoteTable(TableViews):
    """A score table of the service, as last read.

    Attributes:
        data: the table as the service describes it.
    """

    def __init__(self, client: Connection, data: ScoreTableOut) -> None:
        self._client = client
        self.data = data

    def __repr__(self) -> str:
        return f"RemoteTable({self.table_id}, {self.data.name!r})"

    @property
    def table_id(self) -> str:
        """Identifier of the table."""
        return self.data.id

    @property
    def url(self) -> str:
        """Address of its page in the web view."""
        return f"{self._client.url}/score-tables/{self.table_id}"

    @property
    def report(self) -> list[str]:
        """Report on how the table was understood when it was imported, in sentences."""
        return [] if self.data.report is None else self.data.report.sentences

    def delete(self) -> None:
        """Delete the table with its groupings; only imported tables can be deleted."""
        self._client.request("DELETE", f"/v1/score-tables/{self.table_id}")

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display."""
        label = escape(self.data.name or self.table_id)
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.report)
        return f"<p>Score table <a href='{escape(self.url)}'>{label}</a></p><ul>{lines}</ul>"
