"""Files with finished results that come with a form for a new search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from starlette.datastructures import FormData, UploadFile

from grouping.domain.tables.finished_results import FinishedResults, ResultValues
from grouping.errors import InvalidInputError, pointing_below
from grouping.use_cases.named_results import NamedResults
from grouping.use_cases.submit import build_spec
from grouping.wire.requests import MAX_RESULT_FILES, JobRequest
from grouping.wire.results import MAX_LABEL, FinishedResultsIn
from grouping_api.uploads import Importer, Upload, UploadOptions

FIELD = "results"
MAX_FILES = MAX_RESULT_FILES


class ToldResults:
    """Uploaded files with finished results.

    Args:
        uploads: the files, by name.
        values: meaning of their numbers, unless a search file says it.
    """

    def __init__(self, uploads: Mapping[str, Upload], values: ResultValues | None) -> None:
        self._left = dict(uploads)
        self._values = values

    @classmethod
    async def of(cls, form: FormData) -> ToldResults:
        """Take them from a form."""
        files = [file for file in form.getlist(FIELD) if isinstance(file, UploadFile) and file.filename]
        uploads = {
            _base(file.filename or ""): Upload(await file.read(), None, UploadOptions()) for file in files
        }
        values = form.get("values")
        return cls(uploads, ResultValues(values) if values in list(ResultValues) else None)

    @property
    def has_files(self) -> bool:
        """Whether there is a file to read."""
        return bool(self._left)

    def read(self, named: NamedResults, importer: Importer, sizes: Mapping[str, float]) -> FinishedResults:
        """Read the uploaded file that a search file names.

        Args:
            named: its name, and what the search file says of it.
            importer: what reads it.
            sizes: numbers of the sizes that it may name, by name.

        Raises:
            InvalidInputError: if it was not uploaded, or cannot be read.
        """
        upload = self._taken(named.file)
        if named.test is not None:
            upload = replace(upload, test=self._taken(named.test).data)
        values = named.values or self._values
        source = _base(named.file)
        return importer.read_results(upload, sizes, source=source, told_by="", values=values, data=named.data)

    def _taken(self, path: str) -> Upload:
        name = _base(path)
        if name not in self._left:
            raise InvalidInputError(
                f"{name!r} lies on your machine: choose it below, under Some networks are trained already."
            )
        return self._left.pop(name)

    def added_to(self, request: JobRequest, importer: Importer) -> JobRequest:
        """Return a request with the results of all files that no search file named.

        Raises:
            InvalidInputError: if one cannot be read; points at the results.
        """
        if not self._left:
            return request
        spec, _ = build_spec(request)
        told: list[Any] = list(request.results)
        for name, upload in self._left.items():
            with pointing_below(f"/{FIELD}/{len(told)}", always=True):
                found = importer.read_results(
                    upload, spec.size_numbers, source=name, told_by="", values=self._values
                )
            told.append(FinishedResultsIn.of(found))
        return request.model_copy(update={FIELD: told})


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name[:MAX_LABEL]
