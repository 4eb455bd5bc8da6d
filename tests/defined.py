"""Jobs that define their tasks: any of them, and a trainer of a plug-in that gives values by a formula."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints
from grouping.domain.jobs.specification import JobSpec, TrainingBudget
from grouping.domain.jobs.task_definitions import Better, SizeVariant, TaskDefinition
from grouping.domain.networks import Network
from grouping.domain.tasks import Scale, check_name
from grouping.domain.trainings.resources import StatedResources
from grouping.domain.verdicts.baselines import ComparedWith
from grouping.errors import InvalidInputError
from grouping.trainers import discover_trainers
from tests.plug_ins import install

FORMULA = '''
"""Tasks of which a formula gives the values."""
import hashlib
import math

from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.trainers import Trainer, TrainingWorker, WorkerSetup


def value(task, network, seed, direction):
    """A value between 0 and 1, worse with more partners and at smaller sizes, with a little noise."""
    digest = hashlib.sha256(repr((task, sorted(network.group), network.size, seed)).encode()).digest()
    error = 0.2 + 0.02 * (len(network.group) - 1) + 0.1 * (1 - network.size) + 0.01 * digest[0] / 255
    return 1 - error if direction == "higher" else error


class Worker(TrainingWorker):
    def __init__(self, data, context):
        self.directions, self.names = data

    def train(self, requests, checkpoints=None):
        return [self.one(request) for request in requests]

    def one(self, request):
        if self.names and request.network.size not in self.names:
            raise AssertionError(f"no size {request.network.size}")
        scores = []
        for task in sorted(request.network.group):
            found = value(task, request.network, request.seed, self.directions[task])
            scores.append(TaskScore(task, found, found))
        return TrialOutcome(TrialState.SUCCEEDED, tuple(scores), 1, 0.0)


class Formula(Trainer):
    name = "mine"
    title = "A formula"
    description = "Values by a formula."

    def setup(self):
        directions = {task.name: task.direction.value for task in self.job.definitions}
        return WorkerSetup("formula", Worker, (directions, dict(self.job.size_names)))
'''
POINTS = "[mtl_grouping.trainers]\nmine = mine:Formula"

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"), exclude_characters="+@"),
    min_size=1,
    max_size=8,
)


def _is_name(text: str) -> bool:
    try:
        return check_name(text, "task") == text
    except InvalidInputError:
        return False


NAMES = st.sampled_from(["vibration", "a.b", "x = 1", "# no", "[[x]]", '"q"', "'", "\\n", "true", "1"]) | (
    TEXTS.filter(_is_name)
)
NUMBERS = st.floats(1e-3, 1e6)
DEFINITIONS = st.builds(
    TaskDefinition,
    NAMES,
    metric=NAMES,
    unit=st.just("") | TEXTS,
    direction=st.sampled_from(Better),
    best=st.just(1.0) | st.floats(-1e6, 1e6),
    weight=st.just(1.0) | NUMBERS,
    scale=st.sampled_from(Scale) | NUMBERS,
    reference=st.none() | st.floats(-1e6, 1e6),
    must_not_worsen=st.booleans(),
)

RESOURCES = st.builds(
    StatedResources,
    cpus=st.none() | st.floats(0, 4096),
    gpus=st.none() | st.floats(0, 1) | st.integers(1, 8).map(float),
    memory_gib=st.none() | NUMBERS.filter(lambda number: number < 65_536),
    custom=st.none() | st.dictionaries(NAMES, NUMBERS, max_size=2),
)


@st.composite
def sizes(draw: st.DrawFn) -> tuple[SizeVariant, ...]:
    """No sizes, or the full size and up to two others with the same further costs."""
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    numbers = [1.0, *draw(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=2, unique=True))]
    costs = draw(st.lists(NAMES, max_size=2, unique=True))
    return tuple(
        SizeVariant(
            name,
            1.0 if n == 0 else draw(st.floats(0.01, 2.0)),
            numbers[n] if n else None,
            {cost: draw(NUMBERS) for cost in costs},
        )
        for n, name in enumerate(names)
    )


@st.composite
def specs(draw: st.DrawFn) -> JobSpec:
    """Any job that defines its tasks; the trainer takes any parameters."""
    tasks = tuple(
        draw(st.lists(DEFINITIONS, min_size=1, max_size=4, unique_by=lambda definition: definition.name))
    )
    names = tuple(task.name for task in tasks)
    values = st.booleans() | st.integers(-(2**31), 2**31) | NUMBERS | TEXTS
    parameters = st.dictionaries(NAMES, values | st.lists(values, max_size=2), max_size=3)
    limit = st.none() | st.integers(1, 10**6)
    variants = draw(sizes())
    size_keys = ["0.5", "1", *(size.name for size in variants)]
    return JobSpec(
        "",
        names,
        name=draw(st.just("") | NAMES),
        trainer="mine",
        trainer_parameters=draw(parameters),
        max_group_size=draw(st.integers(1, len(names))),
        budgets_snt=tuple(
            draw(st.lists(st.integers(len(names) * 2, 40).map(float), min_size=1, max_size=3, unique=True))
        ),
        n_seeds=draw(st.integers(1, 5)),
        n_confirmation_seeds=draw(st.integers(0, 5)),
        n_splits=1,  # such a trainer divides its data itself
        training_budget=draw(st.builds(TrainingBudget, limit, limit, st.none() | NUMBERS)),
        weights=draw(st.dictionaries(st.sampled_from(names), NUMBERS, max_size=2)),
        seed=draw(st.integers(0, 1000)),
        definitions=tasks,
        sizes=variants,
        constraints=draw(demands_of(names, variants)),
        compared_with=draw(st.sampled_from(ComparedWith)),
        epochs=draw(st.none() | st.integers(1, 10_000)),
        resources=draw(RESOURCES),
        resources_of=draw(st.dictionaries(st.sampled_from(size_keys), RESOURCES, max_size=2)),
        deadline_s=draw(st.none() | NUMBERS),
        max_attempts=draw(st.none() | st.integers(1, 100)),
    )


@st.composite
def demands_of(draw: st.DrawFn, tasks: tuple[str, ...], variants: tuple[SizeVariant, ...]) -> Constraints:
    """Demands on a search of these tasks that do not contradict each other."""
    some = st.sampled_from(tasks)
    several = st.lists(st.frozensets(some, min_size=2), max_size=2).map(tuple)
    bounds = st.dictionaries(some, NUMBERS, max_size=2)
    alone = [Network.of(tasks[0]), *(Network.of(tasks[-1], size=size.number) for size in variants)]
    is_together = draw(st.booleans())
    return Constraints(
        together=draw(several) if is_together and len(tasks) > 1 else (),
        apart=draw(several) if not is_together and len(tasks) > 1 else (),
        max_networks=draw(st.none() | st.integers(1, 9)),
        max_group_size=draw(st.none() | st.integers(1, 9)),
        is_partition=draw(st.booleans()),
        ceilings=draw(bounds),
        ceilings_alone=draw(bounds),
        forced=tuple(draw(st.lists(st.sampled_from(alone), max_size=1))),
        forbidden=(),
        limits=draw(st.dictionaries(NAMES, NUMBERS, max_size=2)),
    )


@contextmanager
def formula_installed(folder: Path) -> Iterator[None]:
    """The trainer `mine`, for this process."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch, folder, "mine", FORMULA, POINTS)
        discover_trainers.cache_clear()
        yield
    sys.modules.pop("mine", None)
    discover_trainers.cache_clear()
