"""A loss and a metric of a plug-in, as documented: listed, trained, scored and refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tasks import Direction, Loss, Metric, Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError, TrainingError
from grouping.problems.problem import Problem
from grouping.recipes import (
    list_losses,
    list_metrics,
    list_unavailable_losses,
    list_unavailable_metrics,
    named_loss,
    named_metric,
)
from grouping.recipes.losses_and_metrics import discover_losses, discover_metrics
from grouping.testing.losses import LossContract
from grouping.testing.metrics import MetricContract
from grouping.training.data import TrainingData
from grouping.training.engines import divide, train_networks
from grouping.training.losses import Normalisation
from tests.plug_ins import install

pytestmark = pytest.mark.usefixtures("one_thread", "plug_in")

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-loss-or-metric.md"
RECIPE = Recipe(hidden=(8,), epochs=12, batch_size=32, learning_rate=0.02)
MODULES = ("brier_declared", "brier_computed")
BROKEN = """
from dataclasses import dataclass
from typing import ClassVar

NOTHING = 7


@dataclass(frozen=True, slots=True)
class Homeless:
    name: ClassVar[str] = "homeless"
    title: ClassVar[str] = "Homeless"
    description: ClassVar[str] = "Its code is nowhere."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "broken_criteria:Nowhere"
    kinds: ClassVar[tuple[str, ...]] = ("regression",)

    def constants(self, targets, n_outputs):
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Upwards(Homeless):
    unit: ClassVar[str] = ""
    direction: ClassVar[str] = "upwards"
"""
BROKEN_POINTS = """[mtl_grouping.losses]
homeless = broken_criteria:Homeless
huber = brier_declared:Brier
lost = no_such_module:Loss
[mtl_grouping.metrics]
nothing = broken_criteria:NOTHING
loss-as-metric = broken_criteria:Homeless
upwards = broken_criteria:Upwards"""


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the document says, and beside it a distribution with all that may be wrong."""
    text = DOCUMENT.read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("plug-ins")
    points = text[text.index('[project.entry-points."mtl_grouping.losses"]') :].split("```")[0]
    points = re.sub(r'project\.entry-points\."(.+)"', r"\1", points).replace('"', "")
    with pytest.MonkeyPatch.context() as patch:
        install(patch, folder, "broken-criteria", BROKEN, BROKEN_POINTS)
        install(patch, folder, "brier", "", points)
        for name in MODULES:
            (code,) = re.findall(rf"^```python {name}\.py\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
            (folder / f"{name}.py").write_text(code, encoding="utf-8")
        _forget()
        yield
    _forget()
    for module in (*MODULES, "broken_criteria", "brier"):
        sys.modules.pop(module, None)


def _forget() -> None:
    discover_losses.cache_clear()
    discover_metrics.cache_clear()


def make_problem() -> Problem:
    return Problem(
        "p",
        "P",
        "P.",
        (
            Task.binary("sign", loss=named_loss("brier")),
            Task.regression("sum", metric=named_metric("within", tolerance=20)),
        ),
        lambda seed: make_dataset(),
    )


def make_dataset() -> Dataset:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(240, 5)).astype(np.float32)
    targets: dict[str, NDArray[Any]] = {
        "sign": (inputs[:, 0] + inputs[:, 1] > 0.5).astype(np.float32),
        "sum": (100.0 + 50.0 * inputs[:, :1]).astype(np.float32),
    }
    train, validation, test = np.split(np.arange(240), [120, 180])
    return Dataset(inputs, targets, train, validation, test)


def test_they_are_listed_after_the_built_in_ones_with_their_parameters() -> None:
    assert [info.name for info in list_losses()][-2:] == ["brier", "homeless"]
    within = list_metrics()[-1]
    assert (within.name, within.unit) == ("within", "share of the numbers")
    assert within.parameters["properties"]["tolerance"]["default"] == 1.0


def test_a_problem_that_names_them_is_trained_in_stacks_and_scored_by_them() -> None:
    problem = make_problem()
    data = TrainingData.from_dataset(problem.load(), problem.tasks)
    both = TrialRequest(Network.of("sign", "sum"), 0)
    assert [share.engine for share in divide(data, [both], RECIPE)] == [Engine.STACKED]
    for engine in (Engine.STACKED, Engine.SEQUENTIAL):
        (outcome,) = train_networks(data, [both], RECIPE, engine=engine)
        assert outcome.state is TrialState.SUCCEEDED
        sign, total = outcome.scores
        assert sign.validation_loss is not None
        assert sign.validation_metric is not None
        assert total.validation_metric is not None
        assert 0 < sign.validation_loss < 0.8
        assert 0.7 < sign.validation_metric <= 1  # accuracy
        assert 0 < total.validation_metric <= 1
        assert total.validation_metric * 60 == pytest.approx(round(total.validation_metric * 60))


def test_a_metric_sees_its_parameters() -> None:
    data = make_dataset()
    shares = []
    for tolerance in (1e-6, 40.0, 1e6):
        task = Task.regression("sum", metric=named_metric("within", tolerance=tolerance))
        norm = Normalisation.from_targets(task, data.targets["sum"])
        wanted = norm.encode(data.targets["sum"])
        shares.append(norm.metric(0 * wanted, wanted))
    assert shares[0] < shares[1] < shares[2] == 1
    assert shares[1] == np.mean(np.abs(data.targets["sum"] - data.targets["sum"].mean()) <= 40)


@pytest.mark.parametrize("task", [Task.binary("t", loss=Loss("brier"))], ids=["brier"])
class TestTheLossOfTheDocument(LossContract):
    pass


WITHIN = Metric("within", Direction.HIGHER_IS_BETTER, (("tolerance", 1e-6),))


@pytest.mark.parametrize("task", [Task.regression("t", 2, metric=WITHIN)], ids=["within"])
class TestTheMetricOfTheDocument(MetricContract):
    pass


def test_plug_ins_that_cannot_be_used_are_listed_apart_with_the_reason() -> None:
    losses = {broken.name: broken.reason for broken in list_unavailable_losses()}
    metrics = {broken.name: broken.reason for broken in list_unavailable_metrics()}
    assert set(losses) == {"huber", "lost"}
    assert "taken" in losses["huber"]
    assert "no_such_module" in losses["lost"]
    assert "not a dataclass" in metrics["nothing"]
    assert "has no unit, direction" in metrics["loss-as-metric"]
    assert "'upwards' is not a valid Direction" in metrics["upwards"]
    with pytest.raises(InvalidInputError, match=r"loss 'lost' is installed but cannot be used"):
        named_loss("lost")


def test_a_loss_whose_code_is_not_where_the_workers_run_says_what_to_install() -> None:
    task = replace(Task.regression("sum"), loss=Loss("homeless"))
    norm = Normalisation.from_targets(Task.regression("sum"), make_dataset().targets["sum"])
    with pytest.raises(TrainingError, match=r"loss 'homeless' cannot be carried out here: .*Nowhere"):
        Normalisation.of(task, norm.constants)
