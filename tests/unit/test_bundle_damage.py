"""Bundles that are damaged, changed, of another version, or no bundles: each is refused in words."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.artefacts.kept import MANIFEST
from grouping.bundle import load
from grouping.bundle.manifest import VERSION, Manifest, _digest
from grouping.bundle.writing import About, write_bundle
from grouping.errors import BundleError, InvalidInputError
from tests.bundles import Made, made_of_arrays
from tests.unit.test_base_install import LIMITED
from tests.unit.test_bundle_equality import DATASET, RECIPE
from tests.unit.test_training_loop import TASKS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_of_arrays(tmp_path_factory.mktemp("bundle"), DATASET, TASKS, RECIPE)


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    """A copy of the bundle, to be damaged."""
    return Path(shutil.copytree(made.folder, tmp_path / "bundle"))


@pytest.fixture
def file(folder: Path) -> Path:
    """The file of its first network."""
    (found,) = folder.glob("network-1-*.safetensors")
    return found


def changed(folder: Path, change: Callable[[dict[str, Any]], object], *, is_signed: bool = True) -> None:
    """Change the manifest; with its digest, as if it had been written so, or without."""
    data = json.loads((folder / MANIFEST).read_text())
    change(data)
    if is_signed:
        data.pop("sha256", None)
        data["sha256"] = _digest(data)
    (folder / MANIFEST).write_text(json.dumps(data))


def refused(folder: Path, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        load(folder)


def test_a_manifest_survives_json(made: Made) -> None:
    manifest = made.written.manifest
    assert Manifest.from_json(manifest.to_json()).to_json() == manifest.to_json()


def test_weights_of_another_content_are_refused(folder: Path, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    refused(folder, f"{file.name} is damaged or was changed")


def test_a_truncated_file_is_refused(folder: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])
    refused(folder, f"{file.name} is damaged or was changed")


def test_a_missing_file_is_named(folder: Path, file: Path) -> None:
    file.unlink()
    refused(folder, f"lacks {file.name}")


def test_a_changed_manifest_is_refused(folder: Path) -> None:
    changed(folder, lambda data: data["tasks"][0].update(network=1), is_signed=False)
    refused(folder, "was changed: its digest")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    refused(folder, "manifest")


def test_a_later_version_asks_for_a_newer_installation(folder: Path) -> None:
    changed(folder, lambda data: data.update(version=VERSION + 1))
    refused(folder, "install a newer mtl-grouping")


def test_no_bundle_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "grouping export JOB")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["networks"][0].update(file="../secret.safetensors"), "no file of a bundle"),
        (lambda data: data["networks"][0].update(file=MANIFEST), "no file of a bundle"),
        (lambda data: data["networks"][0].update(widths=[3, 3]), "those of another network"),
        (
            lambda data: data["recipe"]["sharing"].update(name="of-a-plug-in"),
            "plug-in .* has to be installed",
        ),
        (lambda data: data["networks"][0].update(widths=[10**9, 8]), "those of another network"),
        (lambda data: data["inputs"].update(n_features=10**9), "those of another network"),
        (lambda data: data["tasks"][0].update(labels=["only"]), "other classes than outputs"),
        (lambda data: data["tasks"][0]["constants"].update(scale="x"), "scale cannot be 'x'"),
        (lambda data: data["tasks"][0]["task"].update(loss="unheard-of"), "There is no loss named"),
        (lambda data: data["inputs"].update(kind="sound"), "does not know"),
        (lambda data: data["networks"][0].update(group=["who"]), "cannot be built here"),
        (lambda data: data.update(networks=[]), "one network for each task"),
        (lambda data: data["networks"][0].update(serves=[]), "one network for each task"),
        (lambda data: data.update(version=0), "no version of the format: '0'"),
        (lambda data: data.update(version="1"), "no version of the format: '1'"),
        (lambda data: data.pop("tasks"), "cannot be understood"),
        (lambda data: data["tasks"][0]["task"].update(kind="nothing"), "cannot be understood"),
    ],
)
def test_a_manifest_that_says_what_cannot_be_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    changed(folder, change)
    refused(folder, said)


UNFIT: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**9, 10**30, 1e308, float("nan"), float("inf"), "", "../x", "\0"),
    *([], [[1]], {}, {"x": 1}),
)
"""What a manifest that was written by hand may have in any place."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a manifest; of lists the first two."""
    for key in value if isinstance(value, dict) else range(min(2, len(value))):
        yield (*path, key)
        if isinstance(value[key], (dict, list)):
            yield from places(value[key], (*path, key))


def test_whatever_a_manifest_says_it_is_refused_in_words_or_answers(made: Made, folder: Path) -> None:
    whole = json.loads((folder / MANIFEST).read_text())
    rows, n_refused = made.source.test_rows[:2], 0
    for number, place in enumerate(places({k: v for k, v in whole.items() if k != "sha256"})):
        unfit = UNFIT[number * 7 % len(UNFIT)]

        def change(data: dict[str, Any], place: tuple[Any, ...] = place, unfit: Any = unfit) -> None:
            within: Any = data
            for key in place[:-1]:
                within = within[key]
            within[place[-1]] = unfit

        (folder / MANIFEST).write_text(json.dumps(whole))
        changed(folder, change)
        try:
            bundle = load(folder)
        except BundleError:
            n_refused += 1
        else:
            bundle.predict(rows, probabilities=True)
    assert n_refused > 100


def test_what_is_no_file_is_missing(folder: Path, file: Path) -> None:
    file.unlink()
    file.mkdir()
    refused(folder, f"lacks {file.name}")
    file.rmdir()
    os.mkfifo(file)
    refused(folder, f"lacks {file.name}")
    file.unlink()
    file.symlink_to(file.name)
    refused(folder, f"lacks {file.name}")
    refused(Path("\0"), "no bundle at")


class Trap:
    """Fails the test where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('unpickled')",)


def test_nothing_is_unpickled(folder: Path, file: Path) -> None:
    trap = pickle.dumps(Trap())
    file.write_bytes(trap)
    changed(folder, lambda data: data["networks"][0].update(sha256=hashlib.sha256(trap).hexdigest()))
    refused(folder, "holds no weights")
    (folder / MANIFEST).write_bytes(trap)
    refused(folder, "manifest")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((2, 5)), r"rows of 6 numbers, \[rows, 6\], not 2 x 5"),
        (np.zeros(6), "not 6"),
        (np.full((1, 6), np.nan), "missing or infinite"),
        ([["a"] * 6], "no numbers"),
    ],
)
def test_rows_of_an_array_that_do_not_fit_are_refused(made: Made, rows: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        made.bundle.predict(rows)


def test_a_bundle_that_scores_something_else_is_not_written_and_the_one_before_stays(
    made: Made, folder: Path
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = [
        replace(one, scores=tuple(replace(score, test_loss=9.0) for score in one.scores))
        for one in made.finished.kept
    ]
    finished = replace(made.finished, kept=tuple(kept))
    with pytest.raises(BundleError, match="does not score what its networks scored"):
        write_bundle([str(folder)], finished, made.weights_of, made.source, About())
    with pytest.raises(BundleError, match="data are not those"):
        write_bundle([str(folder)], replace(finished, data_digest=""), made.weights_of, made.source, About())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_bundle_takes_the_place_of_one_and_of_nothing_else(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    made_of_arrays(folder, DATASET, TASKS, RECIPE)
    before = folder / "network-9-0a1b2c3d.safetensors"
    before.write_bytes(b"of an earlier bundle")
    (folder / "notes.txt").write_text("of the user")
    made_of_arrays(folder, DATASET, TASKS, RECIPE)
    assert not before.exists()
    assert (folder / "notes.txt").exists()
    (folder / "notes.txt").unlink()
    (folder / MANIFEST).unlink()
    (folder / f"{before.name}.0a1b.partial").write_bytes(b"of an export that was killed")
    made_of_arrays(folder, DATASET, TASKS, RECIPE)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".md", ".svg", ".safetensors"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("two years of work")
    with pytest.raises(BundleError, match="holds no bundle"):
        made_of_arrays(tmp_path / "other", DATASET, TASKS, RECIPE)
    assert (tmp_path / "other" / "thesis.txt").exists()


ALONE = (
    LIMITED
    + """
import numpy as np
import grouping

bundle = grouping.bundle.load(sys.argv[1])
print(bundle.arrays(np.zeros((2, 6)))["sign"].shape, "pandas" in sys.modules)
print(bundle.predict(np.zeros((2, 6))).shape)
used = {name.partition(".")[0] for name in sys.modules}
print(sorted(used & {*lacking, "grouping_api", "grouping_workers"}))
"""
)


def test_it_runs_without_database_ray_and_the_rest_of_the_service(made: Made) -> None:
    lacking = "ray,sqlalchemy,alembic,fastapi,uvicorn,jinja2,sklearn,torchjd,virtualenv,psycopg,starlette"
    lacking += ",sympy,pydantic,pydantic_core,scipy,pulp,highspy,networkx,httpx,typer,rich"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, lacking, str(made.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    arrays, shape, used = done.stdout.splitlines()
    assert arrays == "(2, 1) False"
    assert shape == "(2, 7)"
    assert used == "[]"
