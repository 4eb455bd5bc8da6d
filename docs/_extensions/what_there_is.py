"""Directives that list what there is in the code, so that no page can be out of date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import typer.core
import typer.main
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
WIDTH = 88
"""Columns of what a command prints."""


class Commands(SphinxDirective):
    """A section for each command of ``grouping`` with what its ``--help`` prints."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """The sections."""
        from grouping.cli import app
        from grouping.cli.commands import load_commands

        typer.core.HAS_RICH = False  # plain text
        group = typer.main.get_command(app)
        context = typer.Context(group, info_name="grouping")
        text = []
        waiting = [(name, command, context) for name, command in reversed([*load_commands()])]
        while waiting:
            name, command, parent = waiting.pop()
            own = typer.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
            text.append(f"## {own.command_path}\n\n```text\n{command.get_help(own)}\n```\n")
            within = getattr(command, "commands", {})  # those of a group stand behind it
            waiting += [(name, command, own) for name, command in reversed(within.items())]
        return self.parse_text_to_nodes("\n".join(text), allow_section_headings=True)


class Requests(SphinxDirective):
    """A table of the requests that the HTTP API answers, from the committed OpenAPI document."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """The table."""
        document: dict[str, Any] = json.loads((ROOT / "api" / "openapi.json").read_text(encoding="utf-8"))
        rows = ["| request | what it does | scope of the token |", "|---|---|---|"]
        for path, verbs in sorted(document["paths"].items()):
            for verb, request in verbs.items():
                scope = next((one["bearer"][0] for one in request["security"] if one), "none")
                rows.append(f"| `{verb.upper()} {path}` | {request['summary']} | {scope} |")
        return self.parse_text_to_nodes("\n".join(rows))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("commands", Commands)
    app.add_directive("requests", Requests)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
