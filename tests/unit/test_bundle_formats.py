"""Bundles as ONNX and as programmes of torch.export: one graph with all outputs, checked against PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn
from typer.testing import CliRunner

from grouping.artefacts.formats import Format
from grouping.bundle import formats
from grouping.bundle.formats import TOLERANCE, convert
from grouping.cli import app
from grouping.domain.trainings.recipes import Method, Part
from grouping.errors import BundleError
from grouping.recipes import list_methods
from tests.bundles import Made, made_of_arrays, made_of_table
from tests.unit.test_bundle_equality import DATASET, ENCODERS, RECIPE
from tests.unit.test_bundle_tables import DEFINITION, customers
from tests.unit.test_training_loop import TASKS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A bundle on a table, with numbers in their units and classes."""
    return made_of_table(tmp_path_factory.mktemp("bundle"), customers(), DEFINITION)


def test_onnx_answers_as_the_bundle_does_for_any_number_of_rows(made: Made, tmp_path: Path) -> None:
    bundle = made.bundle
    first, *others = convert(bundle, Format.ONNX, str(tmp_path), each=True, rows=made.source.test_rows)
    assert first.tasks == bundle.tasks
    assert [one.tasks for one in others] == [network.serves for network in bundle.manifest.networks]
    assert max(one.difference for one in (first, *others)) <= TOLERANCE
    session = InferenceSession(str(tmp_path / "bundle.onnx"))
    for rows in (made.source.test_rows, made.source.test_rows.head(1)):
        found = session.run(None, {"inputs": bundle.manifest.inputs.of(rows)})
        for task, values in zip(bundle.tasks, found, strict=True):
            wanted = bundle.arrays(rows)[task]
            np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-5 * max(1, np.abs(wanted).max()))
    assert np.abs(found[bundle.tasks.index("price")]).max() > 20, "in the units of the data"


def test_a_programme_of_torch_export_answers_the_same(made: Made, tmp_path: Path) -> None:
    (one,) = convert(made.bundle, Format.TORCH_EXPORT, str(tmp_path))
    assert (one.file, one.difference) == ("bundle.pt2", 0)
    programme = torch.export.load(tmp_path / one.file).module()
    found = programme(torch.from_numpy(made.bundle.manifest.inputs.of(made.source.test_rows)))
    for task, values in zip(made.bundle.tasks, found, strict=True):
        np.testing.assert_array_equal(
            values.detach().numpy(), made.bundle.arrays(made.source.test_rows)[task]
        )


@pytest.mark.parametrize("sharing", [method.name for method in list_methods(Part.SHARING)])
def test_every_sharing_becomes_a_programme(tmp_path: Path, sharing: str) -> None:
    recipe = replace(RECIPE, epochs=1, sharing=Method(sharing))
    bundle = made_of_arrays(tmp_path / "bundle", DATASET, TASKS, recipe).bundle
    assert convert(bundle, Format.TORCH_EXPORT, str(tmp_path / "graphs"))[0].difference <= TOLERANCE


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_encoder_becomes_onnx(tmp_path: Path, encoder: str) -> None:
    parameters, widths, data_of = ENCODERS[encoder]
    recipe = replace(RECIPE, epochs=1, encoder=Method(encoder, parameters), hidden=widths)
    bundle = made_of_arrays(tmp_path / "bundle", data_of(DATASET), TASKS, recipe).bundle
    assert convert(bundle, Format.ONNX, str(tmp_path / "graphs"))[0].difference <= TOLERANCE


def test_a_graph_that_answers_something_else_is_not_kept(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def others(answers: nn.Module, tasks: tuple[str, ...], inputs: Tensor) -> Any:
        return b"graph", lambda some: [found + 1e-3 for found in answers(some)]

    monkeypatch.setattr(formats, "_CONVERTERS", {Format.ONNX: others})
    with pytest.raises(BundleError, match="answer something else"):
        convert(made.bundle, Format.ONNX, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_converted_says_why(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = made.bundle

    def forward(inputs: Tensor) -> tuple[Tensor, ...]:
        raise ValueError("as many loops as the data say")

    monkeypatch.setattr(bundle.module, "forward", forward)
    with pytest.raises(BundleError, match=r"cannot be converted to torch-export: as many loops"):
        convert(bundle, Format.TORCH_EXPORT, str(tmp_path))


def test_the_command_checks_on_a_table_of_the_user(made: Made, tmp_path: Path) -> None:
    customers().to_csv(tmp_path / "rows.csv", index=False)
    words = ["--format", "onnx", "--out", str(tmp_path / "graphs"), "--rows", str(tmp_path / "rows.csv")]
    done = CliRunner().invoke(app, ["bundle", "convert", str(made.folder), *words])
    assert done.exit_code == 0, done.output
    assert "graphs/bundle.onnx: price, bought, plan, body" in done.output.replace("\n", "")
    assert "differs from PyTorch" in done.output
