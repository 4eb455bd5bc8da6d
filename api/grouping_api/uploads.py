"""Uploads of score tables: raw bodies, forms with files, and a simple form in JSON."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile

from grouping.domain.tables.finished_results import FinishedResults, ResultValues
from grouping.domain.tasks import MAX_NAME_LENGTH, MAX_TASKS
from grouping.errors import TableFormatError
from grouping.formats import ImportedTable, TableFormat, read_table_guarded, results_of_table
from grouping.store import Store, TableInfo
from grouping.use_cases.inline_table import import_inline
from grouping.wire.base_types import PlainText
from grouping.wire.imports import InlineTable
from grouping.wire.results import FinishedResultsIn
from grouping.work import current_work
from grouping_api.guards import MAX_BODY_BYTES, MAX_UPLOAD_BYTES

Model = TypeVar("Model", bound=BaseModel)
MAX_TABLE_NAME = 200
MAX_TASK_LIST = MAX_TASKS * (MAX_NAME_LENGTH + 1)


class FileFormat(StrEnum):
    """File format of a score table, by its name over HTTP."""

    CSV = "csv"
    TSV = "tsv"
    LONG_CSV = "long-csv"
    LONG_TSV = "long-tsv"
    PARQUET = "parquet"
    JSON = "json"
    RESULTS_TXT = "results-txt"

    @property
    def table_format(self) -> TableFormat:
        """Format by the name that the reader of files uses."""
        name = self.value.replace("-", "_")
        return TableFormat(f"wide_{name}" if name in ("csv", "tsv") else name)

    @property
    def suffix(self) -> str:
        """Suffix of the name of a file in this format, without a dot."""
        return self.value.rpartition("-")[2]

    @property
    def media_type(self) -> str:
        """Content type of a file in this format."""
        return _MEDIA_TYPES[self.suffix]


_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
}
RAW_TYPES: Mapping[str, FileFormat | None] = {
    "text/csv": None,
    "text/tab-separated-values": None,
    "text/plain": None,
    "application/vnd.apache.parquet": FileFormat.PARQUET,
    "application/json": FileFormat.JSON,
}
"""Format by content type of a raw body; None where it is recognised from the content."""
FORM_TYPE = "multipart/form-data"
FILES_BESIDE = ("test_file", "groups_file")
FORM_LIMITS = {"max_files": 3, "max_fields": 8, "max_part_size": MAX_UPLOAD_BYTES}


class UploadOptions(BaseModel):
    """Options of an upload, given in the query of the address or in fields of a form."""

    name: Annotated[PlainText, Field(max_length=MAX_TABLE_NAME, description="A label for people.")] = ""
    values: Literal["losses", "gains"] = Field(
        default="losses", description="Meaning of the cells; gains become losses as 1 - gain."
    )
    format: FileFormat | None = Field(
        default=None,
        description="Format of the file; recognised from its content type and content if left out.",
    )
    tasks: Annotated[PlainText, Field(max_length=MAX_TASK_LIST)] | None = Field(
        default=None,
        examples=["depth,edges"],
        description="Names of the tasks, separated by commas, for a file that does not name them.",
    )

    @property
    def task_names(self) -> tuple[str, ...] | None:
        """Names of the tasks, for a file that does not name them."""
        return None if self.tasks is None else tuple(name.strip() for name in self.tasks.split(","))


@dataclass(frozen=True, slots=True)
class Upload:
    """Uploaded score table, not yet parsed.

    Attributes:
        data: content of the file.
        test: content of a second file with the test losses of the same networks; None without one.
        options: options of the upload.
        may_be_inline: whether it may be the simple JSON form rather than a file.
        groups: content of a multi-hot file, where the first has values only; None without one.
    """

    data: bytes
    test: bytes | None
    options: UploadOptions
    may_be_inline: bool = False
    groups: bytes | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the whole request."""
        said = json.dumps(self.options.model_dump(mode="json"), sort_keys=True).encode()
        parts = [said, self.data, b"" if self.test is None else b"test" + self.test]
        parts += [] if self.groups is None else [b"groups" + self.groups]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


async def receive_upload(request: Request, options: UploadOptions) -> Upload:
    """Read an upload from the body of a request.

    Args:
        request: with a raw body, or a form with the parts `file` or `text`, and perhaps `test_file` and
            `groups_file`.
        options: the query parameters; fields of a form override them.

    Raises:
        HTTPException: 415 on a content type that holds no score table, 422 on a form without one.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == FORM_TYPE:
        async with request.form(**FORM_LIMITS) as form:
            refuse_unknown(form, ("file", *FILES_BESIDE, "text", *UploadOptions.model_fields))
            return await form_upload(form, options)
    if media_type not in RAW_TYPES:
        known = ", ".join(sorted([*RAW_TYPES, FORM_TYPE]))
        raise HTTPException(415, f"Send a score table with one of these Content-Types: {known}.")
    if options.format is None:
        options = options.model_copy(update={"format": RAW_TYPES[media_type]})
    data = await request.body()
    is_json = media_type == "application/json" and len(data) <= MAX_BODY_BYTES
    return Upload(data, None, options, may_be_inline=is_json)


def refuse_unknown(form: FormData, known: Collection[str]) -> None:
    """Refuse a form that holds other fields, which would have been meant to say something.

    Raises:
        RequestValidationError: if it does.
    """
    unknown = [name for name in form if name not in known]
    if unknown:
        message = f"There is no such field; there are {', '.join(known)}."
        faults = [{"type": "extra_forbidden", "loc": ("body", name), "msg": message} for name in unknown]
        raise RequestValidationError(faults)


async def form_upload(
    form: FormData, options: UploadOptions | None = None, *, with_fields: Collection[str] | None = None
) -> Upload:
    """Read an upload from the `file` or `text` of a form, and files beside it; fields override options.

    Args:
        form: the form.
        options: options from elsewhere.
        with_fields: names of the fields that are options; all of `UploadOptions` unless given.

    Raises:
        TableFormatError: if the form holds no score table.
        RequestValidationError: if a field breaks a rule.
    """
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    files = {name: value for name, value in form.items() if isinstance(value, UploadFile)}
    data = await files["file"].read() if "file" in files else b""
    test, groups = [await files[name].read() if name in files else b"" for name in FILES_BESIDE]
    said = {} if options is None else options.model_dump(exclude_defaults=True)
    names = UploadOptions.model_fields if with_fields is None else with_fields
    said |= {name: fields[name] for name in names if name in UploadOptions.model_fields and fields.get(name)}
    if data and not said.get("name"):
        said["name"] = _shown_file_name(files["file"].filename or "")
    if not data:
        data = fields.get("text", "").encode()
    if not data.strip():
        raise TableFormatError("Choose a file with a score table, or paste one.")
    return Upload(data, test or None, checked(UploadOptions, said), groups=groups or None)


def checked(kind: type[Model], said: Any) -> Model:
    """Check the fields of a body.

    Raises:
        RequestValidationError: if a field breaks a rule.
    """
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from error


def _shown_file_name(name: str) -> str:
    """Make a label from the name of an uploaded file, without folders, suffix and unprintable characters."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return "".join(character for character in stem if character.isprintable()).strip()[:MAX_TABLE_NAME]


class Importer:
    """Importer that reads uploads in separate processes and stores them; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, upload: Upload, *, idempotency_key: str | None = None) -> tuple[TableInfo, bool]:
        """Read and store a score table.

        Returns:
            The description of the table, with the report, and whether this call stored it.

        Raises:
            TableFormatError: if the upload is no score table; nothing is stored then.
            IdempotencyConflictError: if the key was used before with another upload.
            GivenUpError: if the current work was given up before it was stored.
        """
        imported = self.read(upload)
        said = {name: list(getattr(imported.report, name)()) for name in ("sentences", "findings")}
        report = {**asdict(imported.report), **said}
        current_work().check()  # nothing is stored for a sender that has gone
        return self._store.import_table(
            imported.table,
            upload.options.name.strip(),
            report=report,
            idempotency_key=idempotency_key,
            request_digest=upload.digest,
        )

    def read_results(
        self,
        upload: Upload,
        sizes: Mapping[str, float],
        *,
        source: str,
        told_by: str,
        values: ResultValues | None,
        data: str | None = None,
    ) -> FinishedResults:
        """Read finished results; see `grouping.formats.results_of_table`.

        Args:
            upload: what was sent.
            sizes: numbers of the sizes of the job that it may name, by name.
            source: where they come from, for people.
            told_by: who tells them, for people.
            values: meaning of the numbers.
            data: digest of the data.

        Raises:
            TableFormatError: if the upload cannot be read.
            InvalidInputError: if it holds no results.
            RequestValidationError: if a field of a form in JSON breaks a rule.
        """
        listed = _find_results(upload)
        if listed is not None:
            return listed.results()
        imported = self.read(upload, sizes=sizes)
        return results_of_table(imported, source=source, told_by=told_by, values=values, data=data)

    def read(self, upload: Upload, *, sizes: Mapping[str, float] | None = None) -> ImportedTable:
        """Read a score table without storing it.

        Args:
            upload: what was sent.
            sizes: numbers of the sizes that it may name, by name.

        Raises:
            TableFormatError: if the upload is no score table.
            RequestValidationError: if a field of the simple form breaks a rule.
        """
        if upload.may_be_inline:
            inline = _find_inline(upload.data)
            if inline is not None:
                return import_inline(inline, upload.options.values)
        named = upload.options.format
        return read_table_guarded(
            upload.data,
            format=None if named is None else named.table_format,
            values=upload.options.values,
            test=upload.test,
            task_names=upload.options.task_names,
            sizes=sizes,
            groups=upload.groups,
        )


def _find_results(upload: Upload) -> FinishedResultsIn | None:
    """Parse a body that lists finished trainings; None if it is in another form.

    Raises:
        HTTPException: 400 if it is not JSON in the strict sense.
        RequestValidationError: if a field breaks a rule.
    """
    document = _parsed(upload.data) if upload.may_be_inline else None
    if not isinstance(document, dict) or "trainings" not in document:
        return None
    return checked(FinishedResultsIn, document)


def _find_inline(data: bytes) -> InlineTable | None:
    """Parse a body in the simple form; None if it is in another format.

    Raises:
        HTTPException: 400 if it is not JSON in the strict sense.
        RequestValidationError: if a field breaks a rule.
    """
    document = _parsed(data)
    if not isinstance(document, dict) or "format" in document:  # the own file format names itself
        return None
    return checked(InlineTable, document)


def _parsed(data: bytes) -> Any:
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise HTTPException(400, f"The body is not valid JSON: {str(error)[:200]}.") from error


def safe_file_name(label: str, fallback: str, suffix: str) -> str:
    """Make a file name from a label: plain letters, digits, hyphens and dots, no path, no hidden file."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:80].rstrip("-._")
    return f"{plain or fallback}.{suffix}"


def attachment(file_name: str) -> dict[str, str]:
    """Return the header that makes a browser save an answer under a name from `safe_file_name`."""
    return {"Content-Disposition": f'attachment; filename="{file_name}"'}
