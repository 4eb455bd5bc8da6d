"""``grouping data``: store tables of one's own, look at them, delete them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from grouping.cli.options.connecting import AsJson, Token
from grouping.cli.options.data_folder import DataFolderOption, use_data
from grouping.cli.options.home import DEFAULT_HOME, Home
from grouping.cli.output.terminal import new_console, print_json
from grouping.cli.serving import DatabaseUrl, database_file, database_url

if TYPE_CHECKING:
    from grouping.client import Client
    from grouping.wire.data_sets import DataSetDetail, DataSetOut, MadeProblemOut

app = typer.Typer(help="Store tables of your own, from which problems are made.", no_args_is_help=True)

Files = Annotated[
    list[Path],
    typer.Argument(
        help="CSV, TSV, Parquet, Arrow (Feather) or NPZ, by its suffix; several with --task-column; or a "
        "folder of images, with --table."
    ),
]
FileColumn = Annotated[
    str | None,
    typer.Option(
        "--task-column",
        help="With several files, which are put one below another: name of a new column that says which file "
        "a row is from. Their columns may differ.",
    ),
]
ImageTable = Annotated[
    Path | None,
    typer.Option(
        "--table", help="Table that describes the images of a folder, a row for each.", dir_okay=False
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option("--image-column", help="Column of that table with the name of each image in the folder."),
]
ImageSize = Annotated[
    str, typer.Option("--image-size", help="Height and width to which images are scaled, such as 32x32.")
]
Grey = Annotated[bool, typer.Option("--grey", help="Make images grey: one channel in place of three.")]
Name = Annotated[str, typer.Argument(help="Name of a data set, for its newest version, or a version.")]
ServerIfAny = Annotated[
    str | None,
    typer.Option(envvar="GROUPING_SERVER", help="Address of a service; the folder here unless given."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="What is predicted: COLUMN:regression, :binary or :multiclass, then perhaps "
        ":loss=quantile,loss.quantile=0.9,metric=mae,weight=2,chosen_by=metric,name=...,positive=yes,"
        "order=low+high; without a kind, what it looks like. A+B:regression is one target of two numbers, "
        "A+B:multilabel of two labels.",
    ),
]
TaskColumn = Annotated[
    str | None,
    typer.Option("--task-column", help="Column whose every value is a task of its own, on its own rows."),
]
LeastLabels = Annotated[
    int | None,
    typer.Option("--least-labels", min=1, help="Leave out tasks of --task-column with fewer labels."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", help="Column to predict from; all that are nothing else unless given."),
]
Without = Annotated[list[str] | None, typer.Option("--without", help="Column not to predict from.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="COLUMN=category, number or text, where it is not what it looks like."),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="How rows are divided: stratified (by task and class, unless given), stratified=COLUMN, random, "
        "group=COLUMN, time=COLUMN, or column=COLUMN, which says train, validation or test.",
    ),
]
Shares = Annotated[
    str | None, typer.Option("--shares", help="Shares that train, validate and test, such as 0.6,0.2,0.2.")
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        min=2,
        help="Divide the rows beside those that validate into so many folds, each the test rows of one "
        "split, in place of test rows by share; by time, divide the rows that test. The verdict is made over "
        "all of them, unless --splits says over fewer.",
    ),
]
SplitSeed = Annotated[int | None, typer.Option("--split-seed", min=0, help="Seed of the split.")]


def definition_of(
    targets: Sequence[str] | None,
    task_column: str | None = None,
    least_labels: int | None = None,
    inputs: Sequence[str] | None = None,
    without: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    split: str | None = None,
    shares: str | None = None,
    split_seed: int | None = None,
    folds: int | None = None,
) -> dict[str, Any]:
    """Return the definition of a problem as a request has it, from the options of a command.

    Raises:
        InvalidInputError: if an option cannot be read, or there is no target.
    """
    from grouping.data_sets.definitions import (
        ProblemDefinition,
        parse_kind,
        parse_shares,
        parse_split,
        parse_target,
    )
    from grouping.errors import InvalidInputError

    if not targets:
        raise InvalidInputError("Say what is predicted: --target COLUMN:regression.", pointer="/targets")
    definition = ProblemDefinition(
        tuple(map(parse_target, targets)),
        task_column or "",
        least_labels or 1,
        tuple(inputs or ()),
        tuple(without or ()),
        dict(map(parse_kind, kinds or ())),
        parse_split(split or "stratified", parse_shares(shares), split_seed or 0, folds or 0),
    )
    return definition.as_mapping()


@contextmanager
def _client(server: str, token: str | None) -> Iterator[Client]:
    from grouping.client import Client

    with Client(server, token=token) as client:
        yield client


@app.command()
def add(
    files: Files,
    *,
    task_column: FileColumn = None,
    table: ImageTable = None,
    image_column: ImageColumn = None,
    image_size: ImageSize = "32x32",
    grey: Grey = False,
    name: Annotated[str, typer.Option(help="Name for people; that of the file unless given.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Store nothing; show what was read, as it would be stored.")
    ] = False,
    server: ServerIfAny = None,
    token: Token = None,
    home: Home = DEFAULT_HOME,
    data_folder: DataFolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Store a table, several as one, or a folder of images with a table; the same content is stored once."""
    file = files[0]
    images = None if len(files) > 1 else _images_of(file, table, image_column, image_size)
    several = _column_of(files, task_column)
    if server is not None:
        from grouping.use_cases.data_sets import packed_files, packed_images

        with _client(server, token) as client:
            if several:
                content = packed_files(files, several)
                stored = client.upload_data_set(content, f"{file.stem}.arrow", name=name, dry_run=dry_run)
            elif images:
                content = packed_images(*images, is_grey=grey)
                source = f"{file.resolve().name}.arrow"
                stored = client.upload_data_set(content, source, name=name, dry_run=dry_run)
            else:
                stored = client.add_data_set(file, name=name, dry_run=dry_run)
    else:
        from grouping.data_sets.folder import require_data_folder
        from grouping.use_cases.data_sets import add_file, add_files, add_images
        from grouping.wire.data_sets import DataSetOut

        use_data(data_folder, home)
        folder = require_data_folder()
        if several:
            found, _ = add_files(folder, files, several, name, dry_run=dry_run)
        elif images:
            found, _ = add_images(folder, *images, name, is_grey=grey, dry_run=dry_run)
        else:
            found, _ = add_file(folder, file, name, dry_run=dry_run)
        stored = DataSetOut.read(found)
    if as_json:
        print_json(stored)
    else:
        _show_columns(stored)
        if dry_run:
            typer.echo("Nothing was stored: this is a dry run.")


def _column_of(files: Sequence[Path], column: str | None) -> str | None:
    """Return the column that tells several files apart; None for one file.

    Raises:
        InvalidInputError: if it is missing, or there is one file alone.
    """
    from grouping.errors import InvalidInputError

    if len(files) > 1 and not column:
        raise InvalidInputError(
            "Several files are put one below another: name the column that says which one a row is from, as "
            "in --task-column site."
        )
    if len(files) == 1 and column:
        raise InvalidInputError(
            "A column that tells files apart (--task-column) takes two files or more; of one table name the "
            "task column with grouping run."
        )
    return column


def _images_of(
    folder: Path, table: Path | None, column: str | None, size: str
) -> tuple[Path, Path, str, tuple[int, int]] | None:
    """Return folder, table, column and size of images to store; None for a file of a table.

    Raises:
        InvalidInputError: if a part is missing, or the size cannot be read.
    """
    from grouping.errors import InvalidInputError

    if table is None and column is None and not folder.is_dir():
        return None
    if table is None or column is None or not folder.is_dir():
        raise InvalidInputError(
            "A folder of images comes with its table and the column of that with the names of the images: "
            "grouping data add FOLDER --table labels.csv --image-column file."
        )
    height, _, width = size.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InvalidInputError(f"A size of images is height and width, such as 32x32, not {size!r}.")
    return folder.resolve(), table, column, (int(height), int(width))


@app.command("list")
def list_(
    server: ServerIfAny = None,
    token: Token = None,
    home: Home = DEFAULT_HOME,
    data_folder: DataFolderOption = None,
    as_json: AsJson = False,
) -> None:
    """List the stored tables, newest first."""
    if server is not None:
        with _client(server, token) as client:
            found = client.data_sets()
    else:
        from grouping.data_sets.folder import require_data_folder
        from grouping.wire.data_sets import DataSetList

        use_data(data_folder, home)
        found = DataSetList.read(items=require_data_folder().list()).items
    if as_json:
        print_json(found)
        return
    rows = Table("version", "rows", "columns", "from", box=None, pad_edge=False)
    for one in found:
        rows.add_row(one.version, f"{one.n_rows:,}", f"{len(one.columns):,}", one.source)
    new_console().print(rows)


@app.command()
def show(
    name: Name,
    server: ServerIfAny = None,
    token: Token = None,
    home: Home = DEFAULT_HOME,
    data_folder: DataFolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the columns of a table, and the problems made of it with what to look at."""
    if server is not None:
        with _client(server, token) as client:
            found, made = client.data_set(name), client.problems_of(name)
    else:
        use_data(data_folder, home)
        found, made = _read_here(name)
    if as_json:
        print_json({"data_set": found, "problems": made})
        return
    _show_columns(found)
    for problem in made:
        show_problem(problem)


@app.command()
def delete(
    name: Name,
    server: ServerIfAny = None,
    token: Token = None,
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    data_folder: DataFolderOption = None,
) -> None:
    """Delete a table and the problems made of it; refused while a job that has not ended needs it."""
    if server is not None:
        with _client(server, token) as client:
            client.delete_data_set(name)
        return
    from grouping.data_sets.folder import require_data_folder
    from grouping.use_cases import data_sets

    use_data(data_folder, home)
    if url is None and not database_file(home).exists():
        data_sets.delete(require_data_folder(), name, None)
        return
    from grouping.store import open_store

    with closing(open_store(database_url(url, home))) as store:
        data_sets.delete(require_data_folder(), name, store)


def problem_here(source: str, definition: Mapping[str, Any], *, has_findings: bool = True) -> str:
    """Store a table of this machine if need be, make a problem of it, and return its name.

    Args:
        source: path of a file, or name of a data set.
        definition: what `definition_of` gives.
        has_findings: whether to print what to look at.
    """
    from grouping.data_sets.definitions import ProblemDefinition
    from grouping.data_sets.folder import require_data_folder
    from grouping.use_cases import data_sets
    from grouping.wire.data_sets import MadeProblemOut

    folder = require_data_folder()
    name = data_sets.add_file(folder, Path(source))[0].version if _is_file(source) else source
    made, _ = data_sets.define(folder, name, ProblemDefinition.from_mapping(definition))
    show_problem(MadeProblemOut.read(made), is_error=True, has_findings=has_findings)
    return made.name


def problem_there(
    client: Client, source: str, definition: Mapping[str, Any], *, has_findings: bool = True
) -> str:
    """As `problem_here`, at a service, to which the file is uploaded."""
    name = client.add_data_set(Path(source)).version if _is_file(source) else source
    made = client.make_problem(name, **definition)
    show_problem(made, is_error=True, has_findings=has_findings)
    return made.name


def show_problem(problem: MadeProblemOut, *, is_error: bool = False, has_findings: bool = True) -> None:
    """Print what a problem is and what to look at."""
    from grouping.data_sets.definitions import ProblemDefinition

    console = new_console(stderr=is_error)
    names = [task.name for task in problem.tasks]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    rows = {part: sum(labels[part] for labels in problem.labels.values()) for part in ("train", "validation")}
    console.print(
        f"Problem {problem.name}: {len(names)} task{'s' if len(names) > 1 else ''} ({shown}) from "
        f"{len(problem.inputs)} input{'s' if len(problem.inputs) > 1 else ''}; "
        f"{rows['train']:,} labels train, {rows['validation']:,} validate.",
        soft_wrap=True,
    )
    definition = ProblemDefinition.from_mapping(problem.definition.model_dump())
    targets = "; ".join(one.described(problem.classes.get(one.label, ())) for one in definition.targets)
    console.print(f"Predicted: {targets}.", soft_wrap=True)
    for finding in problem.findings if has_findings else ():
        console.print(f"Look at: {finding.sentence}", soft_wrap=True)


def _is_file(source: str) -> bool:
    from grouping.data_sets.reading import is_table_file
    from grouping.errors import InvalidInputError

    if Path(source).is_dir():
        raise InvalidInputError(
            f"{source!r} is a folder: store its images first (grouping data add {source} --table ... "
            "--image-column ...), and name the data set."
        )
    return is_table_file(source) or Path(source).is_file()


def _read_here(name: str) -> tuple[DataSetDetail, list[MadeProblemOut]]:
    from grouping.data_sets.folder import require_data_folder
    from grouping.use_cases.data_sets import preview
    from grouping.wire.data_sets import DataSetDetail, MadeProblemList

    folder = require_data_folder()
    found = folder.get(name)
    made = folder.problems(found)
    detail = DataSetDetail.read(found, preview=preview(folder, found), problems=[one.name for one in made])
    return detail, MadeProblemList.read(items=made).items


def _show_columns(stored: DataSetOut) -> None:
    console = new_console()
    console.print(f"Data set {stored.version}: {stored.n_rows:,} rows, from {stored.source}.", soft_wrap=True)
    rows = Table("column", "kind", "missing", "different", "as target", "such as", box=None, pad_edge=False)
    for column in stored.columns:
        missing = f"{column.n_missing / stored.n_rows:.1%}" if column.n_missing else "-"
        rows.add_row(
            column.name,
            column.kind,
            missing,
            f"{column.n_distinct:,}",
            column.as_target or "-",
            ", ".join(column.examples),
        )
    console.print(rows)
