"""The folder of data sets: tables and the problems made of them, on a disk or at any address fsspec knows.

Each data set has a folder named by the SHA-256 of its table, so the same table is stored once::

    <digest>/table.arrow       the table, an Arrow file whose SHA-256 is the digest
    <digest>/data-set.json     its name, where it is from, and its columns
    <digest>/problems/<digest>.json   a problem: its definition, its tasks, and the findings
    <digest>/inputs/<digest>.json     how the columns become the inputs of that problem

Files never change. Each is written under another name first and then moved, the table before what names it;
so several processes may write, and nobody reads half a file.
"""

# mypy: disable-error-code="no-untyped-call"
# fsspec is typed in parts.

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grouping.data_sets.columns import Column, describe
from grouping.data_sets.definitions import ProblemDefinition
from grouping.data_sets.features import FittedInputs
from grouping.data_sets.findings import Finding
from grouping.data_sets.making import Made, make
from grouping.data_sets.packed import unpack
from grouping.data_sets.versions import EarlierVersion, compare
from grouping.domain.fields import from_plain
from grouping.domain.tasks import ChosenBy, Direction, Loss, Metric, Task, TaskKind
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import DataSetError, InvalidInputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem

DATA_VARIABLE = "GROUPING_DATA"
"""Environment variable with the address of the folder."""
VERSION_LENGTH = 12
"""Characters of a digest that stand in names."""
MAX_NAME = 60
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_NAME - 1}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DataSet:
    """A stored table.

    Attributes:
        name: name for people; several tables of one name are its versions.
        digest: SHA-256 of the stored table.
        source: name of the file it came from.
        created_at: time at which it was stored, in ISO 8601.
        n_rows: number of rows.
        n_bytes: size of the stored table.
        columns: its columns, in order.
        earlier: the version of its name that was the newest before it, and what changed; None for the first.
    """

    name: str
    digest: str
    source: str
    created_at: str
    n_rows: int
    n_bytes: int
    columns: tuple[Column, ...]
    earlier: EarlierVersion | None = None

    @property
    def version(self) -> str:
        """Its name with the beginning of its digest, which names this table and no other."""
        return f"{self.name}:{self.digest[:VERSION_LENGTH]}"


@dataclass(frozen=True, slots=True)
class DefinedProblem:
    """A problem that was made of a stored table.

    Attributes:
        data_set: the table.
        digest: SHA-256 of the table's digest and the definition.
        created_at: time at which it was made, in ISO 8601.
        definition: what is predicted from what, on which rows.
        tasks: its tasks.
        classes: values of each target of classes, by the name of the target, in the order of their numbers.
        inputs: name of each input of the networks.
        labels: number of labelled rows of each task in each part of the split.
        recipe: recipe that is used unless a job brings its own.
        findings: what a user should look at before training.
    """

    data_set: DataSet
    digest: str
    created_at: str
    definition: ProblemDefinition
    tasks: tuple[Task, ...]
    classes: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...]
    labels: Mapping[str, Mapping[str, int]]
    recipe: Recipe
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """Name by which jobs ask for it: that of the data set with the beginning of its own digest."""
        return f"{self.data_set.name}:{self.digest[:VERSION_LENGTH]}"


class DataFolder:
    """The data sets at one address.

    Args:
        address: a path, or a URL such as ``s3://bucket/data``.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(address)
        self.address = address
        self._fs: AbstractFileSystem = fs
        self._path = path.rstrip("/")

    def add(self, table: bytes, name: str, source: str, *, dry_run: bool = False) -> tuple[DataSet, bool]:
        """Store a table.

        Args:
            table: the table, as `grouping.data_sets.packed.pack` gives it.
            name: name for people; see `name_of`.
            source: name of the file it came from.
            dry_run: store nothing.

        Returns:
            The data set, and whether this call stored it, or would have: a table is stored once, under its
            first name.

        Raises:
            InvalidInputError: if the name cannot be one.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"A data set is named by letters, digits, - and _, at most {MAX_NAME}; not {name[:80]!r}.",
                pointer="/name",
            )
        digest = hashlib.sha256(table).hexdigest()
        if (present := self._find(digest)) is not None:
            return present, False
        frame = unpack(table)
        columns, earlier = describe(frame), self._compare(frame, name)
        made = DataSet(name, digest, source[:200], _now(), len(frame), len(table), columns, earlier)
        if dry_run:
            return made, True
        self._write(f"{digest}/table.arrow", table)
        self._write(f"{digest}/data-set.json", json.dumps(asdict(made)).encode())
        return made, True

    def _compare(self, frame: pd.DataFrame, name: str) -> EarlierVersion | None:
        before = next((one for one in self.list() if one.name == name), None)
        if before is None:
            return None
        try:
            return compare(frame, self.frame(before), before.version)
        except DataSetError:  # it is gone or damaged, which is told to whoever asks for it
            return None

    def list(self) -> tuple[DataSet, ...]:
        """List all data sets, the newest first."""
        found = [data_set for digest in self._digests() if (data_set := self._find(digest)) is not None]
        return tuple(sorted(found, key=lambda one: (one.created_at, one.digest), reverse=True))

    def get(self, name: str) -> DataSet:
        """Return a data set by its name, which is the newest of that name, or by its version.

        Raises:
            UnknownNameError: if there is none.
        """
        known = self.list()
        for one in known:
            if name in (one.name, one.version, one.digest):
                return one
        raise UnknownNameError("data set", name, [one.name for one in known], pointer="/data_set")

    def frame(self, data_set: DataSet) -> pd.DataFrame:
        """Read the table of a data set.

        Raises:
            DataSetError: if it is not there, or not what was stored.
        """
        data = self._read(f"{data_set.digest}/table.arrow")
        if data is None or hashlib.sha256(data).hexdigest() != data_set.digest:
            state = "is gone" if data is None else "was changed"
            raise DataSetError(f"The table of the data set {data_set.version!r} {state}: add it again.")
        return unpack(data)

    def delete(self, data_set: DataSet) -> None:
        """Delete a data set and the problems made of it. Whether jobs need it is for the caller to know."""
        path = f"{self._path}/{data_set.digest}"
        # What names it first: whoever lists meanwhile finds a whole data set, or none.
        for file in (f"{path}/data-set.json", path):
            if self._fs.exists(file):
                self._fs.rm(file, recursive=True)
        self._fs.invalidate_cache()

    def define(self, data_set: DataSet, definition: ProblemDefinition) -> tuple[DefinedProblem, bool]:
        """Make a problem of a data set; the same definition is stored once.

        Returns:
            The problem, and whether this call stored it.

        Raises:
            InvalidInputError: if nothing can be trained on that; points at the field of the definition.
        """
        said = json.dumps([data_set.digest, definition.as_mapping()], sort_keys=True)
        digest = hashlib.sha256(said.encode()).hexdigest()
        if (present := self._find_problem(data_set, digest)) is not None:
            return present, False
        made = make(self.frame(data_set), definition)
        problem = _described(data_set, digest, definition, made)
        fitted = json.dumps(made.fitted.as_mapping()).encode()
        self._write(f"{data_set.digest}/inputs/{digest}.json", fitted)
        content = {name: value for name, value in asdict(problem).items() if name != "data_set"}
        self._write(f"{data_set.digest}/problems/{digest}.json", json.dumps(content).encode())
        return problem, True

    def problems(self, data_set: DataSet | None = None) -> tuple[DefinedProblem, ...]:
        """List the problems made of one data set or of all, the newest first."""
        found = []
        for one in self.list() if data_set is None else (data_set,):
            for path in self._names(f"{one.digest}/problems"):
                problem = self._find_problem(one, path.removesuffix(".json"))
                if problem is not None:
                    found.append(problem)
        return tuple(sorted(found, key=lambda problem: (problem.created_at, problem.digest), reverse=True))

    def problem(self, data_set: DataSet, name: str) -> DefinedProblem:
        """Return a problem made of a data set, by its name.

        Raises:
            UnknownNameError: if there is none.
        """
        known = self.problems(data_set)
        for one in known:
            if one.name == name:
                return one
        raise UnknownNameError("problem of this data set", name, [one.name for one in known])

    def fitted(self, problem: DefinedProblem) -> FittedInputs:
        """Return how columns become the inputs of a problem, as fitted to its training rows.

        Raises:
            DataSetError: if that was not kept.
        """
        content = self._read(f"{problem.data_set.digest}/inputs/{problem.digest}.json")
        if content is None:
            raise DataSetError(f"The inputs of {problem.name!r} were not kept: make the problem again.")
        return FittedInputs.from_mapping(json.loads(content))

    def _find(self, digest: str) -> DataSet | None:
        content = self._read_kept(f"{digest}/data-set.json")
        return None if content is None else _data_set(content)

    def _find_problem(self, data_set: DataSet, digest: str) -> DefinedProblem | None:
        content = self._read_kept(f"{data_set.digest}/problems/{digest}.json")
        return None if content is None else _problem(data_set, content)

    def _digests(self) -> tuple[str, ...]:
        return tuple(name for name in self._names("") if _DIGEST.fullmatch(name))

    def _names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder; none where there is no such folder."""
        path = f"{self._path}/{folder}".rstrip("/")
        try:
            listed = self._fs.ls(path, detail=False, refresh=True)
        except FileNotFoundError:
            return ()
        return tuple(sorted(str(name).rstrip("/").rpartition("/")[2] for name in listed))

    def _read_kept(self, name: str) -> bytes | None:
        """Read a small file that never changes; from memory where it was read before and is still there."""
        if not self._fs.exists(f"{self._path}/{name}"):
            return None
        try:
            return _kept(self, name)
        except FileNotFoundError:
            return None

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self._fs.cat_file(f"{self._path}/{name}"))
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        path = f"{self._path}/{name}"
        partial = f"{path}.{uuid.uuid4().hex}.partial"
        try:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(partial, content)
            self._fs.mv(partial, path)
        except OSError as error:
            raise DataSetError(
                f"The folder of data sets {self.address!r} cannot be written: {error}"
            ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataFolder) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)


@functools.lru_cache(maxsize=4096)
def _kept(folder: DataFolder, name: str) -> bytes:
    content = folder._read(name)
    if content is None:
        raise FileNotFoundError(name)
    return content


@functools.lru_cache(maxsize=1)
def _folder(address: str) -> DataFolder:
    return DataFolder(address)


def data_folder() -> DataFolder | None:
    """Return the folder of data sets that the environment names; None if it names none."""
    address = os.environ.get(DATA_VARIABLE)
    return _folder(address) if address else None


def require_data_folder() -> DataFolder:
    """Return the folder of data sets.

    Raises:
        InvalidInputError: if the environment names none.
    """
    folder = data_folder()
    if folder is None:
        raise InvalidInputError(f"No folder of data sets is set: give --data-folder, or set {DATA_VARIABLE}.")
    return folder


def name_of(file_name: str) -> str:
    """Make the name of a data set from that of a file."""
    stem = file_name.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:MAX_NAME] or "table"


def _described(data_set: DataSet, digest: str, definition: ProblemDefinition, made: Made) -> DefinedProblem:
    labels = {task.name: made.dataset.label_counts(task.name) for task in made.tasks}
    return DefinedProblem(
        data_set,
        digest,
        _now(),
        definition,
        made.tasks,
        made.classes,
        made.fitted.names,
        labels,
        made.recipe,
        (*(() if data_set.earlier is None else data_set.earlier.findings(data_set.n_rows)), *made.findings),
    )


def _data_set(content: bytes) -> DataSet:
    data: dict[str, Any] = json.loads(content)
    return from_plain(DataSet, data)


def _problem(data_set: DataSet, content: bytes) -> DefinedProblem:
    data: dict[str, Any] = json.loads(content)
    return DefinedProblem(
        data_set,
        data["digest"],
        data["created_at"],
        ProblemDefinition.from_mapping(data["definition"]),
        tuple(map(_task, data["tasks"])),
        {name: tuple(values) for name, values in data["classes"].items()},
        tuple(data["inputs"]),
        data["labels"],
        Recipe.from_mapping(data["recipe"]),
        tuple(Finding(one["code"], one["sentence"], tuple(one["subjects"])) for one in data["findings"]),
    )


def _task(data: Mapping[str, Any]) -> Task:
    """Read a task; only what the tasks of a table have is kept."""
    metric = data["metric"]
    return Task(
        data["name"],
        TaskKind(data["kind"]),
        Loss(data["loss"]["name"], _parameters(data["loss"])),
        Metric(metric["name"], Direction(metric["direction"]), _parameters(metric), metric["unit"]),
        data["weight"],
        data["n_outputs"],
        chosen_by=ChosenBy(data["chosen_by"]),
    )


def _parameters(data: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in data["parameters"])


def _now() -> str:
    return datetime.now(UTC).isoformat()
