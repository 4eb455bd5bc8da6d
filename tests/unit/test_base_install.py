"""What the base of the distribution does without its extras, and what it says of what they would bring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from grouping.extras import modules_of

ROOT = Path(__file__).parents[2]
EXTRAS = ("api", "bundle", "bundle-server", "onnx", "training", "postgres")
HEAVY = {"torch", "ray", "pandas", "numpy", "sqlalchemy", "httpx", "scipy", "pyarrow"}

LIMITED = """
import importlib.abc, sys

lacking = set(sys.argv.pop(1).split(","))

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""Python in which the modules of the extras cannot be imported."""
COMMAND = LIMITED + "from grouping.cli import main\nmain()\n"

TABLE = "network,size,cost,a,b\na@0.5,0.5,0.5,0.3,\nb@0.5,0.5,0.5,,0.2\na+b,1,1,0.25,0.2\n"


def lacking_modules() -> str:
    """The modules of the extras, as `LIMITED` takes them."""
    return ",".join(sorted({module for extra in EXTRAS for module in modules_of(extra)} | {"starlette"}))


def run(program: str, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, lacking_modules(), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_every_distribution_of_an_extra_is_known_by_its_module() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    owners = packages_distributions()
    for extra in EXTRAS:
        required = [Requirement(line) for line in declared[extra]]
        nested = [line for one in required for part in one.extras for line in declared.get(part, ())]
        wanted = {canonicalize_name(one.name) for one in [*required, *map(Requirement, nested)]}
        wanted.discard("mtl-grouping")
        known = {canonicalize_name(name) for module in modules_of(extra) for name in owners[module]}
        assert known == wanted
    assert set(modules_of("service")) == {*modules_of("api"), *modules_of("training")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["solve", "table.csv", "--budget", "1", "--explain", "--confidence", "--noise", "0.01"],
        ["solve", "table.csv", "--json", "--best", "2", "--confidence", "--noise", "0.01"],
        ["curve", "table.csv", "--svg", "curve.svg"],
        ["curve", "table.csv", "--json"],
        ["table", "table.csv", "--to", "json"],
        ["problems"],
        ["strategies"],
        ["trainers"],
        ["worker", "--help"],
        ["recipes"],
        ["bench", "replay", "breast-cancer", "--strategy", "hoa", "--budgets", "2"],
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_a_command_that_trains_nothing_needs_no_extra(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    done = run(COMMAND, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout


def test_a_command_that_talks_to_a_service_needs_no_extra() -> None:
    done = run(COMMAND, "run", "digits", "--server", "http://127.0.0.1:9")
    assert done.returncode == 4
    assert "does not answer" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["serve"], "service"),
        (["demo"], "service"),
        (["dispatcher"], "service"),
        (["study", "digits"], "service"),
        (["api"], "api"),
        (["migrate"], "api"),
        (["checkpoints"], "api"),
        (["openapi"], "api"),
        (["finish", "job"], "service"),
        (["export", "job", "--out", "bundle"], "service"),
        (["bundle", "check", "bundle"], "bundle"),
        (["bundle", "bench", "bundle"], "bundle"),
        (["serve-bundle", "bundle"], "bundle-server"),
    ],
)
def test_a_command_that_lacks_an_extra_ends_with_the_line_that_installs_it(
    tmp_path: Path, arguments: list[str], extra: str
) -> None:
    done = run(COMMAND, *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "not installed" in line
    assert line.endswith(f'pip install "mtl-grouping[{extra}]"')
    assert ("https://download.pytorch.org/whl/cpu" in line) == (
        extra in ("service", "bundle", "bundle-server")
    )


ASK = """
import json
import grouping
from grouping import Client, Search, TrialRequest, read_table, solve  # nothing of these needs an extra

told = {}
for name in ("train_network", "TrainingData"):
    try:
        getattr(grouping, name)
    except grouping.GroupingError as error:
        told[name] = [error.extra, str(error)]
try:
    import grouping.training
except grouping.MissingExtraError as error:
    told["grouping.training"] = [error.extra, str(error)]
print(json.dumps(told))
"""


def test_python_says_the_same_as_an_error_of_the_project() -> None:
    done = run(LIMITED + ASK)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"train_network", "TrainingData", "grouping.training"}
    for extra, message in told.values():
        assert extra == "training"
        assert message.endswith('pip install "mtl-grouping[training]"')


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["solve", "--help"], ["run", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom grouping.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"grouping", "typer"} <= loaded
    assert HEAVY & loaded == set()


def test_the_shell_completes_commands_and_options() -> None:
    for words, expected in (("grouping so", "solve"), ("grouping solve --bud", "--budget")):
        environment = {
            **os.environ,
            "_GROUPING_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        code = "from grouping.cli import app\napp(prog_name='grouping')\n"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == [expected], done.stderr
