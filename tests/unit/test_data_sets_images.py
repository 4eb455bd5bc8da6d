# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types, and re-exports what is defined in its C extension.

"""Folders of images with a table: read, stored, made into inputs of convolutions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from grouping.cli import app
from grouping.data_sets.columns import ColumnKind, describe
from grouping.data_sets.definitions import ProblemDefinition, Target
from grouping.data_sets.features import FittedInputs, fit
from grouping.data_sets.images import with_images
from grouping.data_sets.making import make
from grouping.data_sets.packed import pack, unpack
from grouping.data_sets.reading import read_frame
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import DataSetError, InvalidInputError
from grouping.recipes import complete
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks

N_IMAGES = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of different sizes, red or blue, bright or dark, with a table beside them."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    rows = []
    (folder / "images").mkdir()
    for n in range(N_IMAGES):
        is_red, light = bool(rng.random() < 0.5), int(rng.integers(60, 250))
        pixels = rng.integers(0, 40, (10 + n % 5, 12, 3)).astype(np.uint8)
        pixels[..., 0 if is_red else 2] = light
        Image.fromarray(pixels).save(folder / "images" / f"{n}.png")
        rows.append((f"{n}.png", "red" if is_red else "blue", light))
    pd.DataFrame(rows, columns=["file", "colour", "light"]).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def frame(folder: Path) -> pd.DataFrame:
    table = read_frame((folder / "labels.csv").read_bytes(), "labels.csv")
    return with_images(table, folder / "images", "file", (8, 6))


def test_images_are_scaled_and_survive_storing_and_reading(frame: pd.DataFrame) -> None:
    packed = pack(frame)
    assert packed == pack(frame)
    for again in (unpack(packed), read_frame(packed, "any.arrow")):
        assert list(again.columns) == ["file", "colour", "light"]
        assert all(np.array_equal(a, b) for a, b in zip(again["file"], frame["file"], strict=True))
    column = describe(frame)[0]
    assert (column.kind, column.as_target, column.n_distinct) == (ColumnKind.IMAGE, None, N_IMAGES)
    assert column.examples == ("3 x 8 x 6",)


def test_inputs_are_scaled_by_channel_on_training_rows_and_plain_data(frame: pd.DataFrame) -> None:
    train, rest = frame.iloc[:60], frame.iloc[60:]
    fitted = fit(train, {"file": ColumnKind.IMAGE})
    again = FittedInputs.from_mapping(json.loads(json.dumps(fitted.as_mapping())))
    channels = again.apply(train).reshape(60, 3, -1)
    np.testing.assert_allclose(channels.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(channels.std(axis=(0, 2)), 1, rtol=1e-5)
    np.testing.assert_array_equal(again.apply(rest), fitted.apply(rest))


def test_a_problem_of_images_is_trained_by_convolutions(frame: pd.DataFrame) -> None:
    made = make(unpack(pack(frame)), ProblemDefinition((Target(("colour",)), Target(("light",)))))
    assert made.recipe.encoder.name == "convolutional"
    assert made.fitted.names == ("file",)
    data = TrainingData.from_dataset(made.dataset, made.tasks)
    request = TrialRequest(Network.of("colour", "light"), 0)
    (outcome,) = train_networks(data, [request], complete(made.recipe))
    assert [score.task for score in outcome.scores if (score.test_loss or 1) < 0.3] == ["colour", "light"]


def test_copies_of_images_are_found(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame], ignore_index=True)
    definition = ProblemDefinition((Target(("colour",)), Target(("light",))))
    codes = [{finding.code for finding in make(one, definition).findings} for one in (frame, twice)]
    assert ["same_rows" in found for found in codes] == [False, True]


def test_what_is_no_image_is_refused(folder: Path, frame: pd.DataFrame) -> None:
    table = pd.DataFrame({"file": ["0.png", "none.png", "../labels.csv", None]}, dtype="str")
    with pytest.raises(DataSetError, match="3 of 4 images cannot be read: 'none") as raised:
        with_images(table, folder / "images", "file", (8, 8))
    assert "outside the folder" in str(raised.value)
    with pytest.raises(InvalidInputError, match="no column 'picture'"):
        with_images(table, folder / "images", "picture", (8, 8))
    with pytest.raises(InvalidInputError, match="images, which no encoder reads beside 'light'"):
        make(frame, ProblemDefinition((Target(("colour",)),)))


def test_arrays_that_are_no_images_are_refused_when_they_are_read(frame: pd.DataFrame) -> None:
    import pyarrow as pa
    from pyarrow import feather

    def content(column: object) -> bytes:
        sink = pa.BufferOutputStream()
        feather.write_feather(pa.table({"file": column}), sink)
        return bytes(sink.getvalue())

    numbers = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3, 4, 4), np.float32))
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3, 4, 4), np.uint8))
    gaps = pa.ExtensionArray.from_storage(images.type, pa.array([[0] * 48, None], images.type.storage_type))
    for column, says in (
        (numbers, "arrays that are no images: uint8"),
        (gaps, "no image in 1 rows"),
        (pa.array([[1, 2], [3]]), "arrays that are no images"),
    ):
        with pytest.raises(DataSetError, match=says):
            read_frame(content(column), "any.arrow")
    assert describe(read_frame(content(images), "any.arrow"))[0].kind is ColumnKind.IMAGE


def test_a_folder_is_stored_by_a_command(folder: Path, tmp_path: Path) -> None:
    def command(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            app, ["data", "add", str(folder / "images"), *words, "--home", str(tmp_path)]
        )
        return done.exit_code, done.output

    table = ("--table", str(folder / "labels.csv"), "--image-column", "file")
    status, text = command(*table, "--image-size", "8x6", "--grey")
    assert status == 0, text
    assert "1 x 8 x 6" in text
    assert command("--table", str(folder / "labels.csv"))[0] != 0
    assert command(*table, "--image-size", "big")[0] != 0
    run = CliRunner().invoke(app, ["run", "--data", str(folder / "images"), "--target", "light", "--dry-run"])
    assert run.exit_code != 0
