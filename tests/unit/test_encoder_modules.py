"""Encoders of plug-ins, made from any module: installed for real, tried out, and refused with the reason."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError, TrainingError, UnknownNameError
from grouping.recipes import list_methods, list_unavailable
from grouping.recipes.registry import discover_methods
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_encoder
from tests import plug_ins

CODE = """
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Waves:
    name: ClassVar[str] = "waves"
    title: ClassVar[str] = "Waves"
    description: ClassVar[str] = "Sines of linear maps, as sequences, maps or vectors."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "waves_network:WavesEncoder"
    frequency: float = 1.0
    shape: str = "vector"
"""
NETWORK = """
import torch
from torch import nn
from grouping.training.encoders.module import ModuleEncoder


class Layer(nn.Module):
    def __init__(self, n_in, width, parameters):
        super().__init__()
        self.linear, self.parameters_ = nn.Linear(n_in, width), parameters

    def forward(self, x):
        shape = self.parameters_.shape
        if x.ndim > 2:
            x = x.mean(dim=(2, 3) if x.ndim == 4 else 1)
        y = torch.sin(self.parameters_.frequency * self.linear(x))
        match shape:
            case "sequence":
                return y.unsqueeze(1).expand(-1, 5, -1)
            case "map":
                return y[:, :, None, None].expand(-1, -1, 2, 3)
            case "too wide":
                return torch.cat([y, y], dim=1)
            case "numbers":
                return y.long()
            case "pair":
                return y, y
            case "five dimensions":
                return y[:, :, None, None, None]
            case "fewer rows":
                return y[:1]
            case "values":
                return y if y.sum() > 0 else -y
            case "nothing of it":
                raise ValueError("no such shape")
        return y


class WavesEncoder(ModuleEncoder):
    def module(self, index, n_in, width):
        return Layer(n_in, width, self.parameters)


class BadHeadEncoder(WavesEncoder):
    def head(self, task, width):
        return nn.Identity()
"""
TASKS = (Task.regression("sum"), Task.multiclass("class", 3))
BOTH = Network.of("sum", "class")


@pytest.fixture(autouse=True)
def waves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Install a distribution named waves-plugin, a module for the declaration and one for the network."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def install(code: str, network: str) -> None:
        points = "[mtl_grouping.encoders]\nwaves = waves_plugin:Waves"
        plug_ins.install(monkeypatch, tmp_path, "waves-plugin", code, points)
        (tmp_path / "waves_network.py").write_text(network, encoding="utf-8")
        discover_methods.cache_clear()

    discover_methods.cache_clear()
    yield install
    torch.set_num_threads(threads)
    for name in ("waves_plugin", "waves_network"):
        sys.modules.pop(name, None)
    discover_methods.cache_clear()


@pytest.fixture
def installed(waves: Callable[[str, str], None]) -> None:
    waves(CODE, NETWORK)


def recipe(shape: str = "vector", hidden: tuple[int, ...] = (6, 6)) -> Recipe:
    method = Method("waves", {"shape": shape})
    return Recipe(hidden, epochs=8, batch_size=20, learning_rate=0.02, encoder=method)


def make_data() -> TrainingData:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(60, 4)).astype(np.float32)
    total = inputs.sum(axis=1, keepdims=True)
    targets = {"sum": total, "class": np.digitize(total[:, 0], [-1, 1]).astype(np.int64)}
    parts = np.split(np.arange(60, dtype=np.int64), [40, 50])
    return TrainingData.from_dataset(Dataset(inputs, targets, *parts), TASKS)


def test_an_encoder_that_is_not_installed_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="no encoder named 'os:system'") as caught:
        build_encoder(Recipe(encoder=Method("os:system")), 4)
    assert caught.value.pointer == "/encoder/name"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("shape", ["vector", "sequence", "map", "values"])
def test_an_installed_module_trains_and_continues_with_the_same_floats(shape: str) -> None:
    data, request = make_data(), TrialRequest(BOTH, seed=0)
    assert "waves" in [method.name for method in list_methods(Part.ENCODER)]
    losses: list[float] = []
    outcome = train_network(data, request, recipe(shape), on_epoch=lambda _, loss: losses.append(loss))
    assert losses[-1] < 0.8 * losses[0]
    first, second = (Training(data, request, recipe(shape)) for _ in range(2))
    first.run_epoch()
    second.load_state_dict(first.state_dict())
    while not second.is_finished:
        second.run_epoch()
    assert second.evaluate().scores() == outcome.scores


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("shape", ["vector", "sequence", "map", "values"])
def test_costs_and_sizes_are_those_of_the_modules(shape: str) -> None:
    full, half = measure_costs(4, TASKS, [BOTH, Network.of("sum", size=0.5)], recipe(shape))
    assert full.encoder_multiply_adds == 4 * 6 + 6 * 6
    assert full.head_multiply_adds == {"sum": 6, "class": 18}
    assert half.widths == (3, 3)


@pytest.mark.usefixtures("installed")
def test_a_linear_map_of_channels_keeps_the_other_dimensions() -> None:
    encoder = build_encoder(recipe(), 4)
    pointwise = encoder.pointwise(6, 2)
    for shape, mapped in (((5, 6), (5, 2)), ((5, 3, 6), (5, 3, 2)), ((5, 6, 3, 4), (5, 2, 3, 4))):
        assert tuple(pointwise(torch.ones(shape)).shape) == mapped


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("numbers", r"Stage 0 of WavesEncoder gives torch.int64; it must give one tensor of floats"),
        ("pair", r"Stage 0 of WavesEncoder gives tuple"),
        ("five dimensions", r"Stage 0 of WavesEncoder gives \[2, 6, 1, 1, 1\] for 2 rows"),
        ("fewer rows", r"Stage 0 of WavesEncoder gives \[1, 6\] for 2 rows"),
        ("nothing of it", r"Stage 0 of WavesEncoder cannot be built and run on 2 trial rows.*no such shape"),
    ],
)
def test_a_module_that_cannot_be_a_stage_is_refused_with_the_reason(shape: str, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        build_encoder(recipe(shape), 4)


@pytest.mark.usefixtures("installed")
def test_a_stage_of_another_width_points_at_the_widths() -> None:
    with pytest.raises(InvalidInputError, match="gives 12 channels where its hidden width is 6") as caught:
        build_encoder(recipe("too wide"), 4)
    assert caught.value.pointer == "/hidden"


def test_a_head_of_another_shape_is_refused(waves: Callable[[str, str], None]) -> None:
    waves(CODE.replace(":WavesEncoder", ":BadHeadEncoder"), NETWORK)
    with pytest.raises(TrainingError, match=r"head of BadHeadEncoder gives \[2, 6\] .* must give \[2, 3\]"):
        build_encoder(recipe(), 4)


def test_parameters_that_cannot_be_hashed_are_refused(waves: Callable[[str, str], None]) -> None:
    waves(CODE.replace('shape: str = "vector"', "shape: list[int] | str = ()"), NETWORK)
    with pytest.raises(TrainingError, match="with tuples in place of lists"):
        build_encoder(Recipe((6,), encoder=Method("waves", {"shape": [1]})), 4)


def test_a_network_that_is_not_there_is_told_when_it_is_needed(waves: Callable[[str, str], None]) -> None:
    waves(CODE.replace("waves_network:", "no_such_module:"), NETWORK)
    assert list_unavailable(Part.ENCODER) == ()
    with pytest.raises(TrainingError, match=r"no_such_module.*Install its plug-in where the workers run"):
        build_encoder(recipe(), 4)


STATED = """
import torch
from torch import nn
from waves_network import WavesEncoder as Base


class StatedEncoder(Base):
    variants = ((4, 4), (6, 6), (8, 8))

    def multiply_adds(self, index, n_in, width):
        return 1000 * width if index else None

    def load_weights(self, module, index, width):
        if self.parameters.frequency > 1:
            raise OSError("no such file")
        nn.init.constant_(module.linear.weight, 0.5)
"""


@pytest.fixture
def stated(tmp_path: Path, waves: Callable[[str, str], None]) -> Iterator[None]:
    waves(CODE.replace("waves_network:WavesEncoder", "stated_network:StatedEncoder"), NETWORK)
    (tmp_path / "stated_network.py").write_text(STATED, encoding="utf-8")
    yield
    sys.modules.pop("stated_network", None)


@pytest.mark.usefixtures("stated")
def test_stated_costs_count_and_sizes_are_variants_with_their_weights() -> None:
    networks = [BOTH, *(Network.of("sum", size=size) for size in (0.7, 0.74, 0.99, 1.2, 1.34))]
    costs = measure_costs(4, TASKS, networks, recipe())
    assert [cost.widths for cost in costs] == [(6, 6), (4, 4), (4, 4), (4, 4), (6, 6), (8, 8)]
    assert costs[0].encoder_multiply_adds == 4 * 6 + 6 * 1000
    assert costs[-1].cost_snt == pytest.approx(8 * 1004 / (6 * 1004))
    request = TrialRequest(Network.of("sum", size=0.7), seed=0)
    training = Training(make_data(), request, recipe())
    first = dict(training.network.named_parameters())["stages.0.linear.weight"]
    assert first.shape == (4, 4)
    assert bool((first == 0.5).all())
    training.run_epoch()
    with pytest.raises(InvalidInputError, match="4, 4; 6, 6; 8, 8") as refused:
        build_encoder(recipe(hidden=(5, 5)), 4)
    assert refused.value.pointer == "/hidden"
    with pytest.raises(InvalidInputError, match="narrower than the narrowest"):
        measure_costs(4, TASKS, [Network.of("sum", size=0.5)], recipe())


@pytest.mark.usefixtures("stated")
def test_pretrained_weights_that_are_not_there_are_told_as_such() -> None:
    wrong = Recipe((6, 6), encoder=Method("waves", {"frequency": 2.0}))
    with pytest.raises(TrainingError, match=r"pretrained weights of stage 0 .* width 6.*no such file"):
        Training(make_data(), TrialRequest(BOTH, 0), wrong)
