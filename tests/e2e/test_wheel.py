"""The wheel, installed alone, in a folder full of modules that are named like ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TRAP = "raise RuntimeError('the module of a stranger was imported')\n"
TRAPS = ("grouping", "grouping_api", "grouping_workers", "torch", "ray", "numpy", "platform", "socket")
TABLE = """network,size,cost,a,b
a,1,1,0.5,
b,1,1,,0.5
a+b,1,1,0.4,0.6
"""


@dataclass(frozen=True)
class Installed:
    """A wheel in an environment of its own, and a folder with traps."""

    python: Path
    folder: Path

    def run(self, *arguments: str) -> str:
        """Run the command `grouping` in the folder with the traps; its output."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GROUPING_", "PYTHON"))}
        done = subprocess.run(
            [str(self.python.parent / "grouping"), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**environment, "HOME": str(self.folder / "home")},
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and source distribution; the wheel is built from the latter, so both are complete."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a new environment, which borrows from this one what it needs, but not the project."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", str(built[0])]
    subprocess.run(command, capture_output=True, check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    stranger = folder / "stranger"
    for name in ("api", "workers", "tests"):
        (stranger / name).mkdir(parents=True)
        (stranger / name / "__init__.py").write_text(TRAP)
    for name in TRAPS:
        (stranger / f"{name}.py").write_text(TRAP)
    return Installed(python, stranger)


def test_only_our_own_names_land_in_site_packages(built: tuple[Path, Path]) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(built[0]).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {
        "grouping",
        "grouping_api",
        "grouping_workers",
    }
    with tarfile.open(built[1]) as source:
        inside = {name.partition("/")[2] for name in source.getnames()}
    assert {"api/grouping_api/web/templates/base.html", "workers/grouping_workers/py.typed"} <= inside


def test_the_wheel_tells_its_version_and_solves_a_table_among_traps(installed: Installed) -> None:
    assert installed.run("--version").startswith("mtl-grouping ")
    (installed.folder / "table.csv").write_text(TABLE)
    assert "a+b" in installed.run("solve", "table.csv", "--budget", "1")


def test_the_demo_of_the_wheel_ends_with_a_grouping_and_the_second_time_at_once(installed: Installed) -> None:
    """The whole service: API, dispatcher, Ray and its workers, none of which may import a trap."""
    home = str(installed.folder / "home")
    arguments = ["demo", "--exit", "--port", "0", "--home", home]
    first, second = installed.run(*arguments), installed.run(*arguments)
    assert "Web page of the job: http://127.0.0.1:" in first
    saving = r"(\d+) of 36 networks trained in the search: (\d+) % of the epochs of an exhaustive one saved"
    ((trained, saved),) = re.findall(saving, first)
    assert int(trained) < 36
    assert int(saved) > 0
    assert f"search: {3 * int(trained)} of {3 * int(trained)} planned trainings" in first
    verdicts = [line for line in first.splitlines() if line.startswith("Budget ")]
    assert len(verdicts) == 3
    assert [line for line in second.splitlines() if line.startswith("Budget ")] == verdicts
