"""Single cells: numbers read and written, and text that no spreadsheet takes for a formula."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from grouping.errors import InvalidInputError
from grouping.formats.limits import MAX_NUMBER_CHARACTERS

Cell = str | float | int | Decimal | None
"""A cell of a row: text from a text file; a number, or None where it is blank, from anything else."""

BLANK = math.nan
NOT_FINITE = math.inf
NOT_FINITE_TEXT = "nan"

_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)|n/?a|#n/a|<na>|null|none", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_HINTS = (
    (
        re.compile(
            r"[+-]?[0-9]{1,3}(?:([., '\u2019\u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?!\1)[.,][0-9]*"
            r"|([., '\u2019\u00a0\u202f])[0-9]{3}(?:\2[0-9]{3})+|[ '\u2019\u00a0\u202f][0-9]{3})"
        ),
        "write it without separators of thousands",
    ),
    (re.compile(r"[+-]?[0-9]*,[0-9]+"), "write a point, not a comma, before the decimals"),
    (re.compile(r".*[0-9]\s*%"), "write it without the percent sign, in one unit in the whole file"),
    (re.compile(r"[^0-9]+"), "leave the cell blank where there is no number"),
)
"""How else people write a number, or none, and what to do about it."""
_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")  # the last four: full-width forms
_GUARDED_FORMULA = re.compile("'+[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def parse_number(cell: Cell, column: str) -> float:
    """Read a number: `BLANK` for a blank cell, `NOT_FINITE` for ``nan``, ``inf``, ``null`` and the like.

    Raises:
        InvalidInputError: if it is anything else than a number.
    """
    if isinstance(cell, str):
        text = cell.strip()
        if not text:
            return BLANK
        if len(text) <= MAX_NUMBER_CHARACTERS:
            if _NUMBER.fullmatch(text):
                number = float(text)
                return number if math.isfinite(number) else NOT_FINITE
            if _NOT_FINITE.fullmatch(text):
                return NOT_FINITE
        hint = next((f"; {hint}" for form, hint in _HINTS if form.fullmatch(text)), "")
        raise InvalidInputError(f"column {column!r} holds {text[:40]!r}, which is not a number{hint}.")
    if cell is None:
        return BLANK
    if isinstance(cell, bool) or not isinstance(cell, float | int | Decimal):
        raise InvalidInputError(f"column {column!r} holds {str(cell)[:40]!r}, which is not a number.")
    try:
        number = float(cell)
    except OverflowError:
        return NOT_FINITE
    return number if math.isfinite(number) else NOT_FINITE


def require_number(cell: Cell, column: str) -> float:
    """Read a number that must be there and finite.

    Raises:
        InvalidInputError: if it is not.
    """
    number = parse_number(cell, column)
    if math.isnan(number):
        raise InvalidInputError(f"the column {column} is blank.")
    if math.isinf(number):
        raise InvalidInputError(f"column {column!r} holds {str(cell)[:40]!r}; it needs a finite number.")
    return number


def parse_integer(cell: Cell, column: str) -> int | None:
    """Read a whole number of at most 64 bits; None for a blank cell.

    Raises:
        InvalidInputError: if it is anything else.
    """
    if isinstance(cell, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", cell.strip()):
        whole: float | int = int(cell)
    elif isinstance(cell, int) and not isinstance(cell, bool):
        whole = cell
    else:
        whole = parse_number(cell, column)
        if math.isnan(whole):
            return None
    if not (math.isfinite(whole) and whole == int(whole) and -(2**63) <= whole < 2**63):
        raise InvalidInputError(f"column {column!r} holds {str(cell)[:40]!r}, which is not a whole number.")
    return int(whole)


def parse_text(cell: Cell) -> str:
    """Read a name without blanks around it; empty where the cell is blank."""
    return "" if cell is None else str(cell).strip()


def format_number(number: float) -> str:
    """Write a number so that it is read back exactly; blank for NaN."""
    return "" if math.isnan(number) else repr(float(number))


def format_text(text: str) -> str:
    """Write a name so that a spreadsheet shows it and does not compute it.

    Text that begins like a formula, with or without apostrophes before it, gets one more apostrophe. Numbers
    are not text: a negative one stays as it is.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_text(text: str) -> str:
    """Undo `format_text` exactly, for every cell of a text file."""
    return text[1:] if _GUARDED_FORMULA.match(text) else text
