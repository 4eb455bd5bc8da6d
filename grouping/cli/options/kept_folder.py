"""Where trained weights and bundles are kept, for commands that use them or start what does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.options.home import expanded, expanded_if_any

KeptOption = Annotated[
    str | None,
    typer.Option(
        "--kept",
        envvar="GROUPING_KEPT",
        help="Where trained weights and bundles are kept: a folder, or an address such as s3://bucket/kept; "
        "kept in --home unless given.",
    ),
]


def kept_address(given: str | None, home: Path) -> str:
    """Return the address of what is kept: the one given, or that of ``kept`` in the home folder."""
    return given or str(expanded(home) / "kept")


def use_kept(given: str | None, home: Path) -> None:
    """Have this process, and all that it starts, find what is kept; see `kept_address`.

    Nothing is kept where there is neither an address nor a home folder.
    """
    from grouping.artefacts.kept import KEPT_VARIABLE

    if given or expanded_if_any(home) is not None:
        os.environ[KEPT_VARIABLE] = kept_address(given, home)
