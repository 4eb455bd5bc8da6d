"""Strict JSON: finite numbers only, no key twice, valid text, bounded depth; readers of its types."""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

from grouping.domain.tasks import MAX_NAME_LENGTH
from grouping.errors import InvalidInputError


def parse_json(text: str) -> object:
    """Parse a document.

    Raises:
        InvalidInputError: if it is not JSON in the strict sense.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise InvalidInputError("the JSON is nested too deeply.") from None
    except ValueError as error:  # whole numbers of thousands of digits
        raise InvalidInputError(f"a number is too large: {error}.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInputError(f"JSON has no {name}; write null where there is no result.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InvalidInputError(f"the key {twice[:80]!r} stands in an object twice.")
    return members


def read_object(
    document: object, pointer: str, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    """Read an object with these keys and no others.

    Raises:
        InvalidInputError: if it is not.
    """
    if not isinstance(document, dict):
        raise InvalidInputError(f"{pointer or 'the document'} must be an object.")
    for key in required:
        if key not in document:
            raise InvalidInputError(f"{pointer}/{key} is missing.")
    for key in document:
        if key not in required and key not in optional:
            known = ", ".join((*required, *optional))
            raise InvalidInputError(
                f"{pointer or 'the document'} has the unknown key {key[:80]!r}; known: {known}."
            )
    return document


def read_mapping(document: object, pointer: str) -> dict[str, Any]:
    """Read an object with any keys.

    Raises:
        InvalidInputError: if it is none.
    """
    if not isinstance(document, dict):
        raise InvalidInputError(f"{pointer} must be an object.")
    return document


def read_list(document: object, pointer: str) -> list[Any]:
    """Read an array.

    Raises:
        InvalidInputError: if it is none.
    """
    if not isinstance(document, list):
        raise InvalidInputError(f"{pointer} must be an array.")
    return document


def read_number(document: object, pointer: str) -> float:
    """Read a finite number.

    Raises:
        InvalidInputError: if it is none.
    """
    if isinstance(document, float | int) and not isinstance(document, bool):
        try:
            number = float(document)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise InvalidInputError(f"{pointer} must be a finite number.")


def read_integer(document: object, pointer: str) -> int:
    """Read a whole number of at most 64 bits.

    Raises:
        InvalidInputError: if it is none.
    """
    if isinstance(document, int) and not isinstance(document, bool) and -(2**63) <= document < 2**63:
        return document
    raise InvalidInputError(f"{pointer} must be a whole number of at most 64 bits.")


def read_string(document: object, pointer: str) -> str:
    """Read a short text without control characters or lone surrogates.

    Raises:
        InvalidInputError: if it is none.
    """
    if not isinstance(document, str):
        raise InvalidInputError(f"{pointer} must be a string.")
    if len(document) > MAX_NAME_LENGTH:
        raise InvalidInputError(
            f"{pointer} has {len(document):,} characters; at most {MAX_NAME_LENGTH} are read."
        )
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in document):
        raise InvalidInputError(f"{pointer} holds a control character: {document!r}.")
    return document
