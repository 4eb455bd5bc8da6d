"""Program that `read_packed_guarded` starts: reads one table under limits, and answers.

The answer is a line of JSON, null or what is wrong with the table, and then the table as an Arrow file.
"""

from __future__ import annotations

import json

from grouping.data_sets.packed import pack
from grouping.data_sets.reading import read_frame
from grouping.errors import GroupingError
from grouping.guarded_process import TOO_MUCH_MEMORY, answer_guarded


def main() -> None:
    """Limit this process, read the request, write the answer."""
    answer_guarded(_answer)


def _answer(message: bytes) -> bytes:
    name, _, data = message.partition(b"\n")
    del message
    try:
        return b"null\n" + pack(read_frame(data, json.loads(name)))
    except GroupingError as error:
        refusal = str(error)
    except MemoryError:
        refusal = TOO_MUCH_MEMORY
    return json.dumps(refusal).encode() + b"\n"


if __name__ == "__main__":
    main()
