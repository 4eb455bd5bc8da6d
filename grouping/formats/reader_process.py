"""Program that `read_table_guarded` starts: reads one table under limits, and answers."""

from __future__ import annotations

from grouping.errors import GroupingError, TableFormatError
from grouping.formats.files import read_table
from grouping.formats.reader_messages import ReadRequest, encode_error, encode_table
from grouping.guarded_process import TOO_MUCH_MEMORY, answer_guarded


def main() -> None:
    """Limit this process, read the request, write the answer."""
    answer_guarded(_answer)


def _answer(message: bytes) -> bytes:
    try:
        request = ReadRequest.decode(message)
        del message
        return encode_table(
            read_table(
                request.data,
                format=request.format,
                values=request.values,
                test=request.test,
                task_names=request.task_names,
                sizes=request.sizes,
                groups=request.groups,
            )
        )
    except TableFormatError as error:
        return encode_error(error)
    except GroupingError as error:
        return encode_error(TableFormatError(str(error)))
    except MemoryError:
        return encode_error(TableFormatError(TOO_MUCH_MEMORY))


if __name__ == "__main__":
    main()
