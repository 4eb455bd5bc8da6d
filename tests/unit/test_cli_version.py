"""The command tells its version."""

from __future__ import annotations

from importlib.metadata import version

from typer.testing import CliRunner

from grouping.cli import app


def test_the_version_is_that_of_the_distribution_and_the_help_names_the_option() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"mtl-grouping {version('mtl-grouping')}\n")
    assert "--version" in CliRunner().invoke(app, ["--help"]).output
