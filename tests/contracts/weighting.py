"""What every method of weighting must do, and steps and trainings small enough to show it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.recipes import list_methods
from grouping.recipes.losses import Constants
from grouping.training.blueprint import Blueprint
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.losses import Normalisation
from grouping.training.methods import build_weighting
from grouping.training.networks import MultiTaskNetwork
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext

METHODS = tuple(info.name for info in list_methods(Part.WEIGHTING))
"""Those that can be carried out here."""

TASKS = (Task.multiclass("class", 3), Task.binary("sign"), Task.regression("sum"))
GROUP = Network.of(*(task.name for task in TASKS))
RECIPE = Recipe(hidden=(6, 6), epochs=4, batch_size=32, learning_rate=0.02)


def make_data() -> TrainingData:
    """128 rows, half of them for training, and a task of each kind."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(128, 5)).astype(np.float32)
    score = inputs @ generator.normal(size=5)
    targets: dict[str, NDArray[Any]] = {
        "class": np.digitize(score, np.quantile(score, [0.3, 0.7])).astype(np.int64),
        "sign": (inputs[:, 0] + inputs[:, 1] > 0).astype(np.float32),
        "sum": (100.0 + 50.0 * inputs[:, :1]).astype(np.float32),
    }
    train, validation, test = np.split(np.arange(128), [64, 96])
    return TrainingData.from_dataset(Dataset(inputs, targets, train, validation, test), TASKS)


def recipe_of(method: str, **parameters: object) -> Recipe:
    """The small recipe with this weighting."""
    return replace(RECIPE, weighting=Method(method, parameters))


def context_of(n_tasks: int) -> WeightingContext:
    """As many tasks with numbers to predict, with variances 1, 4, 9 and so on."""
    norms = [
        Normalisation.of(Task.regression(f"t{i}"), Constants(np.zeros(1), 1.0, (i + 1.0) ** 2, scale=i + 1.0))
        for i in range(n_tasks)
    ]
    return WeightingContext(norms, 10, torch.device("cpu"))


def make_weighting(method: str, n_tasks: int, **parameters: object) -> Weighting:
    """For the tasks of `context_of`."""
    return build_weighting(recipe_of(method, **parameters), context_of(n_tasks))


class Linear:
    """A step whose losses have given values, and given gradients on the two parameters that they share.

    Each task has a parameter of its own, too, on which the gradient of its loss is 1.
    """

    def __init__(
        self,
        gradients: Sequence[Sequence[float]],
        losses: Sequence[float] | None = None,
        *,
        penalty: float = 0.0,
        epoch: int = 0,
    ) -> None:
        rows = torch.tensor(gradients)
        values = torch.ones(len(rows)) if losses is None else torch.tensor(losses)
        half = rows.shape[1] // 2
        self.lower = nn.Parameter(torch.zeros(half))
        self.upper = nn.Parameter(torch.zeros(rows.shape[1] - half))
        self.own = nn.Parameter(torch.zeros(len(rows)))
        found = rows @ torch.cat((self.lower, self.upper)) + self.own + values
        # As a network would predict numbers with a share of variance explained that differs by task.
        wanted = [torch.linspace(-1.0, 1.0, 4)[:, None]] * len(rows)
        outputs = [target * (i + 1) / (len(rows) + 2) for i, target in enumerate(wanted)]
        pulled = penalty * (self.lower.sum() + 1.0) if penalty else None
        shared = {"lower": self.lower, "upper": self.upper}
        self.step = Step(found, shared, pulled, outputs, wanted, epoch)

    def descend(self, weighting: Weighting) -> Tensor:
        """The gradient on the shared parameters, after `weighting` went backward."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            weighting.backward(self.step)
        assert self.lower.grad is not None
        assert self.upper.grad is not None
        return torch.cat((self.lower.grad, self.upper.grad))


def random_gradients(seed: int, n_tasks: int, n_parameters: int = 7) -> list[list[float]]:
    """Normal numbers, with rows of unlike length."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n_tasks, n_parameters)) * generator.uniform(0.2, 3.0, size=(n_tasks, 1))
    found: list[list[float]] = rows.tolist()
    return found


UNSHARED = "unshared"


@dataclass(frozen=True, slots=True)
class Unshared:
    """A way of sharing for tests: none. Each task has an encoder and a head of its own in one network."""

    name: ClassVar[str] = UNSHARED
    title: ClassVar[str] = "Nothing shared"
    description: ClassVar[str] = "For tests."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "tests.contracts.weighting:UnsharedNetwork"


class UnsharedNetwork(MultiTaskNetwork):
    """See `Unshared`."""

    def __init__(self, blueprint: Blueprint, parameters: Unshared) -> None:
        super().__init__(blueprint)
        self.encoders = nn.ModuleList(blueprint.stages(task.name) for task in blueprint.tasks)
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        found = []
        for stages in self.encoders:
            own = inputs
            assert isinstance(stages, nn.ModuleList)
            for stage in stages:
                own = stage(own)
            found.append(own)
        return found

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        return {}


class WeightingContract:
    """Inherit it and give a fixture ``method``, the name of a method, and one ``data``, from `make_data`."""

    def test_the_loss_falls(self, method: str, data: TrainingData) -> None:
        training = Training(data, TrialRequest(GROUP, seed=0), replace(recipe_of(method), epochs=8))
        losses = [training.run_epoch() for _ in range(8)]
        assert losses[-1] < 0.9 * losses[0]

    def test_equal_requests_give_equal_floats(self, method: str, data: TrainingData) -> None:
        first, again = (train_network(data, TrialRequest(GROUP, seed=1), recipe_of(method)) for _ in range(2))
        assert first.scores == again.scores

    def test_a_continued_training_gives_the_same_floats(self, method: str, data: TrainingData) -> None:
        request, recipe = TrialRequest(GROUP, seed=2), recipe_of(method)
        never_stopped = train_network(data, request, recipe)
        for stop in (1, 3):
            first = Training(data, request, recipe)
            for _ in range(stop):
                first.run_epoch()
            second = Training(data, request, recipe)
            second.load_state_dict(first.state_dict())
            while not second.is_finished:
                second.run_epoch()
            assert second.evaluate().scores() == never_stopped.scores

    def test_what_it_remembers_keeps_its_names_and_shapes(self, method: str, data: TrainingData) -> None:
        training = Training(data, TrialRequest(GROUP, seed=0), recipe_of(method))

        def remembered() -> dict[str, torch.Size]:
            state = training.state_dict()
            return {name: value.shape for name, value in state.items() if name.startswith("weighting.")}

        before = remembered()
        training.run_epoch()
        training.run_epoch()
        assert remembered() == before

    def test_a_task_alone_is_trained_plainly(self, method: str, data: TrainingData) -> None:
        for task in TASKS:
            request = TrialRequest(Network.of(task.name), seed=0)
            found, plain = (train_network(data, request, recipe_of(name)) for name in (method, "equal"))
            assert found.scores == plain.scores

    @pytest.mark.usefixtures("unshared")
    def test_tasks_that_share_nothing_are_trained_plainly(self, method: str, data: TrainingData) -> None:
        request = TrialRequest(GROUP, seed=0)
        recipes = [replace(recipe_of(name), sharing=Method(UNSHARED)) for name in (method, "equal")]
        found, plain = (train_network(data, request, recipe) for recipe in recipes)
        assert found.state is TrialState.SUCCEEDED
        assert found.scores == plain.scores

    def test_tasks_that_meet_in_a_penalty_alone_are_trained_with_it(self, method: str) -> None:
        linear = Linear(random_gradients(5, 3), [1.0, 2.0, 0.5], penalty=0.5)
        make_weighting(method, 3).backward(replace(linear.step, shared={}))
        assert linear.own.grad is not None
        assert float(linear.own.grad.mean()) == pytest.approx(1.0)
        assert linear.lower.grad is not None

    @pytest.mark.filterwarnings("default:overflow")
    def test_a_training_that_runs_away_shows_as_diverged(self, method: str, data: TrainingData) -> None:
        recipe = replace(recipe_of(method), learning_rate=1e18, optimiser=Method("sgd"))
        assert train_network(data, TrialRequest(GROUP, seed=0), recipe).state is TrialState.DIVERGED

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_loss_that_is_no_number_comes_through(self, method: str, value: float) -> None:
        weighting = make_weighting(method, 3)
        Linear(random_gradients(1, 3)).descend(weighting)
        after = Linear([[value] * 7, *random_gradients(1, 2)], [value, 1.0, 1.0]).descend(weighting)
        assert not after.isfinite().all()

    def test_where_all_tasks_agree_the_step_is_that_of_equal_weights(self, method: str) -> None:
        weighting = make_weighting(method, 3)
        for _ in range(2):
            found = Linear([[0.3, -2.0, 0.0, 1.0]] * 3).descend(weighting)
            assert found.tolist() == pytest.approx([0.9, -6.0, 0.0, 3.0], rel=1e-4)

    def test_the_unit_of_all_losses_together_changes_the_length_only(self, method: str) -> None:
        rows, losses = random_gradients(2, 3), [1.0, 2.0, 0.5]
        once = Linear(rows, losses).descend(make_weighting(method, 3))
        for unit in (1e-4, 1e3):
            scaled = [[unit * entry for entry in row] for row in rows]
            found = Linear(scaled, [unit * loss for loss in losses]).descend(make_weighting(method, 3))
            assert (found / unit).tolist() == pytest.approx(once.tolist(), rel=1e-3, abs=1e-3)

    def test_the_penalty_is_added_as_it_is(self, method: str) -> None:
        rows, losses = random_gradients(3, 3, 6), [1.0, 2.0, 0.5]
        without = Linear(rows, losses).descend(make_weighting(method, 3))
        penalised = Linear(rows, losses, penalty=0.5).descend(make_weighting(method, 3))
        expected = without + torch.tensor([0.5] * 3 + [0.0] * 3)
        assert penalised.tolist() == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-5)
