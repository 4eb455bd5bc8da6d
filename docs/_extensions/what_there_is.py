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


class Variables(SphinxDirective):
    """A table of the environment variables that commands and the API read, from what declares them."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """The table."""
        from grouping.cli.commands import load_commands
        from grouping_api.settings import Settings

        found: dict[str, tuple[str, list[str]]] = {}
        waiting = [(name, command) for name, command in load_commands()]
        while waiting:
            name, command = waiting.pop(0)
            waiting += [(f"{name} {one}", own) for one, own in getattr(command, "commands", {}).items()]
            for option in command.params:
                for variable in (option.envvar,) if isinstance(option.envvar, str) else option.envvar or ():
                    found.setdefault(variable, (getattr(option, "help", None) or "", []))[1].append(name)
        for field, declared in Settings.model_fields.items():
            variable = f"GROUPING_{field}".upper()
            described = declared.description or ""
            found[variable] = (described, sorted({"api", "serve", *found.get(variable, ("", []))[1]}))
        rows = ["| variable | what it says | commands |", "|---|---|---|"]
        for variable, (described, commands) in sorted(found.items()):
            shown = ", ".join(f"`{name}`" for name in sorted(commands)[:6]) + (
                ", ..." if len(commands) > 6 else ""
            )
            rows.append(f"| `{variable}` | {described.replace('|', ' or ')} | {shown} |")
        return self.parse_text_to_nodes("\n".join(rows))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("commands", Commands)
    app.add_directive("requests", Requests)
    app.add_directive("variables", Variables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
