"""Data sets as users ask for them: add a file, look at it, make a problem of it, delete it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grouping.data_sets.columns import texts_of
from grouping.data_sets.definitions import ProblemDefinition
from grouping.data_sets.folder import DataFolder, DataSet, DefinedProblem, name_of
from grouping.data_sets.guarded import read_packed_guarded
from grouping.data_sets.images import with_images
from grouping.data_sets.packed import pack
from grouping.data_sets.reading import one_below_another, read_frame
from grouping.errors import DataSetError, InvalidInputError, StateConflictError
from grouping.problems.registry import discover_problems

if TYPE_CHECKING:  # a folder may be used without a database
    from grouping.store import Store

N_PREVIEW = 8


def add_file(
    folder: DataFolder, path: Path, name: str = "", *, dry_run: bool = False
) -> tuple[DataSet, bool]:
    """Store a table of one's own, read in this process.

    Returns:
        The data set, and whether this call stored it, or would have if it is a dry run.

    Raises:
        DataSetError: if it cannot be read, or is no table.
        InvalidInputError: if the name cannot be one.
    """
    named = _checked_name(name, path.name)
    return folder.add(pack(read_frame(_content(path), path.name)), named, path.name, dry_run=dry_run)


def add_files(
    folder: DataFolder, paths: Sequence[Path], column: str, name: str = "", *, dry_run: bool = False
) -> tuple[DataSet, bool]:
    """Store several tables as one; see `packed_files`."""
    named, source = _checked_name(name, paths[0].name), " and ".join(path.name for path in paths)
    return folder.add(packed_files(paths, column), named, source, dry_run=dry_run)


def packed_files(paths: Sequence[Path], column: str) -> bytes:
    """Read tables and put them one below another.

    Args:
        paths: files of the tables.
        column: name of a column that says which one a row is from, by the name of its file without suffix.

    Returns:
        An Arrow file, which may be uploaded.

    Raises:
        DataSetError: if one cannot be read, or they do not fit together.
        InvalidInputError: if two files have one name.
    """
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise InvalidInputError("Two files have one name, by which their rows are told apart: rename one.")
    frames = {path.stem: read_frame(_content(path), path.name) for path in paths}
    return pack(one_below_another(frames, column))


def add_images(
    folder: DataFolder,
    images: Path,
    table: Path,
    column: str,
    size: tuple[int, int],
    name: str = "",
    *,
    dry_run: bool = False,
    **how: bool,
) -> tuple[DataSet, bool]:
    """Store a folder of images with the table that describes them; see `packed_images`."""
    named = _checked_name(name, images.name)
    packed = packed_images(images, table, column, size, **how)
    return folder.add(packed, named, images.name, dry_run=dry_run)


def packed_images(
    images: Path, table: Path, column: str, size: tuple[int, int], *, is_grey: bool = False
) -> bytes:
    """Read a table and put the images that it names in place of their names.

    Args:
        images: folder of the images.
        table: file of the table.
        column: column of the table with the names of the images, relative to the folder.
        size: height and width to which they are scaled.
        is_grey: whether they become grey; else red, green and blue.

    Returns:
        An Arrow file, which may be uploaded.

    Raises:
        DataSetError: if table or images cannot be read.
        InvalidInputError: if there is no such column.
    """
    frame = read_frame(_content(table), table.name)
    return pack(with_images(frame, images, column, size, is_grey=is_grey))


def add_upload(
    folder: DataFolder, data: bytes, file_name: str, name: str = "", *, dry_run: bool = False
) -> tuple[DataSet, bool]:
    """Store a table that is not trusted, read in a process with limits; as `add_file` otherwise."""
    named = _checked_name(name, file_name)
    return folder.add(read_packed_guarded(data, file_name), named, file_name, dry_run=dry_run)


def add_allowed(
    folder: DataFolder, path: str, allowed: Sequence[Path], name: str = "", *, dry_run: bool = False
) -> tuple[DataSet, bool]:
    """Store a table from a path of this machine, if it lies in a folder that the operator allows.

    Raises:
        InvalidInputError: if it does not, links followed; whether there is such a file is not told then.
        DataSetError: as `add_upload`.
    """
    real = Path(path).resolve()
    if not any(real.is_relative_to(root.expanduser().resolve()) for root in allowed):
        raise InvalidInputError(
            "The service reads files in folders that its operator allows (--allow-data-path), and this is in "
            "none of them: upload the file instead.",
            pointer="/path",
        )
    return add_upload(folder, _content(real), real.name, name, dry_run=dry_run)


def define(folder: DataFolder, name: str, definition: ProblemDefinition) -> tuple[DefinedProblem, bool]:
    """Make a problem of a data set; see `DataFolder.define`."""
    return folder.define(folder.get(name), definition)


def preview(folder: DataFolder, data_set: DataSet) -> list[list[str | None]]:
    """Return the first rows of a table as text; None where a value is missing."""
    head = folder.frame(data_set).iloc[:N_PREVIEW]
    columns = []
    for name in head.columns:
        series = head[name]
        known = iter(texts_of(series.dropna()))
        columns.append([None if is_missing else next(known) for is_missing in series.isna()])
    return [list(row) for row in zip(*columns, strict=True)]


def delete(folder: DataFolder, name: str, store: Store | None) -> DataSet:
    """Delete a data set and the problems made of it.

    Args:
        folder: the folder of data sets.
        name: its name or version.
        store: database of the jobs; None where there is none.

    Raises:
        UnknownNameError: if there is no such data set.
        StateConflictError: if a job that has not ended needs it.
    """
    found = folder.get(name)
    made = {problem.name for problem in folder.problems(found)}
    for job in () if store is None else store.jobs_under_way():
        if job.spec.problem in made:
            raise StateConflictError(
                f"Job {job.id} trains on the data set {found.version!r}: wait for its end, or cancel it."
            )
    folder.delete(found)
    return found


def _checked_name(name: str, file_name: str) -> str:
    named = name or name_of(file_name)
    if any(problem.name == named for problem in discover_problems().found):
        raise InvalidInputError(
            f"{named!r} is the name of an installed problem: choose another one.", pointer="/name"
        )
    return named


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataSetError(f"{path.name} cannot be read: {error.strerror}.") from error
