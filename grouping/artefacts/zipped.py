"""Files as one ZIP archive that is made while it is sent."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence

from grouping.artefacts.address import Address


def zipped(folder: Address, names: Sequence[str], inside: str) -> Iterator[bytes]:
    """Yield an archive of files of a folder, part by part: neither it nor a file is ever whole in memory.

    They are stored as they are: weights hardly get smaller. The same files give the same bytes.

    Args:
        folder: where the files are.
        names: names of the files.
        inside: folder that they have in the archive.

    Raises:
        BundleError: if one cannot be read.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
        for name in names:
            entry = zipfile.ZipInfo(f"{inside}/{name}")
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as file:
                for part in folder.parts(name):
                    file.write(part)
                    yield sink.taken()
    yield sink.taken()


class _Sink:
    """Takes what is written, until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is there."""

    def taken(self) -> bytes:
        found, self._parts = b"".join(self._parts), []
        return found
