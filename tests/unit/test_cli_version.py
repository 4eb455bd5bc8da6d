"""The command tells its version, and lists its commands by the first sentence of each."""

from __future__ import annotations

from importlib.metadata import version

from typer.testing import CliRunner

from grouping.cli import app
from grouping.cli.commands import LISTED, load_commands


def test_the_version_is_that_of_the_distribution_and_the_help_names_the_option() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"mtl-grouping {version('mtl-grouping')}\n")
    assert "--version" in CliRunner().invoke(app, ["--help"]).output


def test_every_command_is_listed_with_the_first_sentence_of_its_own_help() -> None:
    own = {name: " ".join(command.help.split("\n\n")[0].split()) for name, command in load_commands()}
    assert own == {name: said for name, _, said in LISTED}
    help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name, _, said in LISTED:
        assert f" {name} " in help_text
        assert said in help_text


def test_a_command_that_there_is_not_is_answered_with_the_nearest() -> None:
    told = CliRunner().invoke(app, ["sovle"])
    assert told.exit_code == 2
    assert "'solve'" in told.output
