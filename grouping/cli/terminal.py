"""How the commands print."""

from __future__ import annotations

import sys

from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where the output is no terminal, such as a file or the log of a build."""


def new_console(*, stderr: bool = False) -> Console:
    """A console that colours nothing by itself and takes markup for plain text."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, highlight=False, markup=False, width=None if stream.isatty() else PLAIN_WIDTH
    )
