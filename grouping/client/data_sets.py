"""Data sets of a service: storing tables, and making problems of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouping.client.connection import Answer, Connection
from grouping.errors import DataSetError
from grouping.wire.data_sets import (
    DataSetDetail,
    DataSetList,
    DataSetOut,
    FittedInputsOut,
    MadeProblemList,
    MadeProblemOut,
)

if TYPE_CHECKING:
    from grouping.data_sets.features import FittedInputs

PATH = "/v1/data-sets"


class DataSets:
    """Methods of a client for stored tables."""

    def _service(self) -> Connection:
        raise NotImplementedError

    def add_data_set(self, file: Path, *, name: str = "", dry_run: bool = False) -> DataSetOut:
        """Store a table: CSV, TSV, Parquet, Arrow (Feather) or NPZ, by the suffix of its name.

        The same table is stored once; the answer is then the data set that is there.

        Args:
            file: the file, here; it is uploaded.
            name: name for people; that of the file unless given.
            dry_run: store nothing, and only say what would be.

        Raises:
            DataSetError: if the file cannot be read.
            ServiceError: if it is no table.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataSetError(f"{file} cannot be read: {error.strerror}.") from error
        return self.upload_data_set(content, file.name, name=name, dry_run=dry_run)

    def upload_data_set(
        self, content: bytes, file_name: str, *, name: str = "", dry_run: bool = False
    ) -> DataSetOut:
        """Store a table from the content of a file; see `add_data_set`."""
        files = {"file": (file_name, content)}
        query = {"name": name, **({"dry_run": True} if dry_run else {})}
        return self._service().read(DataSetOut, "POST", PATH, files=files, params=query)

    def add_data_set_there(self, path: str, *, name: str = "") -> DataSetOut:
        """Store a table that lies where the service runs, in a folder that its operator allows.

        Raises:
            ServiceError: if it lies elsewhere, or is no table.
        """
        return self._service().read(DataSetOut, "POST", PATH, json={"path": path, "name": name})

    def data_sets(self) -> list[DataSetOut]:
        """List the stored tables, newest first."""
        return self._service().read(DataSetList, "GET", PATH).items

    def data_set(self, name: str) -> DataSetDetail:
        """Return a table with its columns, its first rows and the problems made of it.

        Args:
            name: its name, for the newest version, or a version.

        Raises:
            ServiceError: if there is none.
        """
        return self._at(DataSetDetail, "GET", name)

    def delete_data_set(self, name: str) -> None:
        """Delete a table and the problems made of it.

        Raises:
            ServiceError: if there is none, or a job that has not ended needs it.
        """
        self._service().request("DELETE", f"{PATH}/{name}")

    def make_problem(self, data_set: str, **definition: Any) -> MadeProblemOut:
        """Make a problem of a table; `submit` takes its name as ``problem``.

        Args:
            data_set: name or version of the table.
            **definition: ``targets`` and other fields of ``POST /v1/data-sets/{name}/problems``.

        Raises:
            ServiceError: if nothing can be trained on that.
        """
        return self._at(MadeProblemOut, "POST", f"{data_set}/problems", json=definition)

    def inputs_of(self, data_set: str, problem: str) -> FittedInputs:
        """Return how columns become the inputs of a problem; its `apply` makes them of new rows.

        Args:
            data_set: name or version of the table.
            problem: name of the problem.

        Raises:
            ServiceError: if there is none.
        """
        from grouping.data_sets.features import FittedInputs

        found = self._at(FittedInputsOut, "GET", f"{data_set}/problems/{problem}/inputs")
        return FittedInputs.from_mapping(found.model_dump())

    def problems_of(self, data_set: str) -> list[MadeProblemOut]:
        """List the problems made of a table, newest first.

        Raises:
            ServiceError: if there is no such table.
        """
        return self._at(MadeProblemList, "GET", f"{data_set}/problems").items

    def _at(self, kind: type[Answer], method: str, path: str, **options: Any) -> Answer:
        return self._service().read(kind, method, f"{PATH}/{path}", **options)
