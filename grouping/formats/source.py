"""Source of a table: bytes or a file, opened with care; its format is detected from the content."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from grouping.errors import TableFormatError
from grouping.formats.delimited import first_lines, split_lines
from grouping.formats.dialects import Dialect
from grouping.formats.findings import Findings
from grouping.formats.limits import MAX_BYTES
from grouping.formats.report import TableFormat
from grouping.formats.results_txt import looks_like_results
from grouping.formats.wide_csv import LEADING_COLUMNS

PARQUET_MAGIC = b"PAR1"
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How the text of spreadsheets begins that are saved as "Unicode text"."""

_FOREIGN = {
    b"\x1f\x8b": "compressed with gzip",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
}


@dataclass(frozen=True, slots=True)
class TableSource:
    """The content of a file, not yet parsed.

    Attributes:
        data: its bytes.
        findings: collects what is found while it is read, and names the file.
    """

    data: bytes
    findings: Findings

    @classmethod
    def open(cls, source: bytes | str | Path) -> TableSource:
        """Take bytes, or read a file; text is its path.

        Raises:
            TableFormatError: if the file cannot be read, is too large, empty, or of a kind that is not read.
        """
        source = Path(source) if isinstance(source, str) else source
        findings = Findings(source.name if isinstance(source, Path) else "")
        if isinstance(source, Path):
            try:
                with source.open("rb") as file:
                    data = file.read(MAX_BYTES + 1)  # never more, whatever the file says of its size
            except (OSError, ValueError) as error:  # such as a NUL in the name
                reason = getattr(error, "strerror", None) or error
                raise TableFormatError(f"Cannot read {str(source)[:200]}: {reason}.") from error
        else:
            data = source
        if len(data) > MAX_BYTES:
            raise findings.error(f"the file is larger than {MAX_BYTES // 2**20} MiB.")
        for magic, kind in _FOREIGN.items():
            if data.startswith(magic):
                raise findings.error(
                    f"the file is {kind}; give the plain table: CSV or JSON in UTF-8, or Parquet."
                )
        return cls(data, findings)

    def text(self) -> str:
        """Return the content as text, without a byte order mark.

        Raises:
            TableFormatError: if it is neither UTF-8 nor UTF-16 with a byte order mark, or holds NUL.
        """
        encoding = "utf-16" if self.data.startswith(UTF_16_MARKS) else "utf-8-sig"
        try:
            text = self.data.decode(encoding)
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise self.findings.error(
                f"the file is not {encoding.removesuffix('-sig').upper()} text (byte {error.start}); save it "
                "as UTF-8.",
                at=line,
            ) from error
        if "\0" in text:
            raise self.findings.error("the file holds NUL bytes: it is not a text file.")
        return text

    def lines(self) -> list[str]:
        """Return the content as lines without their ends.

        Raises:
            TableFormatError: as `text`; or if there are too many lines, or one is too long.
        """
        return split_lines(self.text(), self.findings)

    def detect_format(self) -> TableFormat:
        """Detect the format that the content is written in.

        Raises:
            TableFormatError: if it is in no known format.
        """
        if self.data.startswith(PARQUET_MAGIC):
            return TableFormat.PARQUET
        if self.data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            return TableFormat.JSON
        lines = first_lines(self.text(), self.findings)
        found = Dialect.of(lines, self.findings).format
        if found is not None:
            return found
        first = lines[0]
        if looks_like_results(first):
            return TableFormat.RESULTS_TXT
        start = repr(first[:60]) if first else "an empty line"
        words = set(re.findall(r"\w+", first.lower()))
        lacking = [name for name in LEADING_COLUMNS if name not in words]
        missing = f"; {' and '.join(lacking)} cannot be found" if 0 < len(lacking) < 3 else ""
        raise self.findings.error(
            f"this is no score table, since it begins with {start}. A wide one has the columns "
            f"{', '.join(LEADING_COLUMNS)} and one per task, separated by commas, semicolons or tabs{missing}"
            "; a long one has the columns network, task and validation_loss; a results.txt has numbers "
            "between tabs. Tables in JSON and Parquet are read too, and values alone with a file of groups "
            "beside them."
        )
