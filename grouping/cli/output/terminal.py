"""Output of commands to the terminal."""

from __future__ import annotations

import sys
from typing import Any

import typer
from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where the output is no terminal, such as a file or the log of a build."""


def new_console(*, stderr: bool = False) -> Console:
    """Build a console that colours nothing by itself and prints markup as plain text."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, highlight=False, markup=False, width=None if stream.isatty() else PLAIN_WIDTH
    )


def print_json(answer: Any) -> None:
    """Print an answer, or answers in lists and dicts, as JSON; ASCII, for terminals of any encoding."""
    from pydantic_core import to_json

    typer.echo(to_json(answer, indent=2, ensure_ascii=True, inf_nan_mode="null"))
