"""Costs of sizes that a job leaves to be measured: by what trainings of one epoch report, once.

The first task is trained alone at the full size, and at each size to be measured. A size costs what its
training reports as ``cost_snt`` over what that at the full size does, in whatever unit. The trainings hold
the resources of any other, and count in no training budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import SizeVariant
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.errors import TrainingError
from grouping.trainers import Trainer
from grouping_workers.job.executor import JobExecutor, Lost, Trained, TrainingOrder

MAX_LOSSES = 3
"""Losses of workers after which a measurement is given up."""
POLL_S = 0.5


def are_to_be_measured(spec: JobSpec) -> bool:
    """Tell whether a job leaves the cost of a size to be measured."""
    return any(size.is_to_be_measured for size in spec.sizes)


def measured_sizes(
    executor: JobExecutor, trainer: Trainer, spec: JobSpec, goes_on: Callable[[], bool]
) -> tuple[SizeVariant, ...] | None:
    """Measure the costs of sizes.

    Args:
        executor: what trains; the job is prepared.
        trainer: trainer of the job.
        spec: the job.
        goes_on: asked every now and then whether to go on.

    Returns:
        All sizes, with costs; None if it is not to go on.

    Raises:
        TrainingError: if a training fails, is lost too often, or reports no cost.
    """
    full: float | None = None
    found = []
    for number, size in enumerate(spec.sizes):
        if number and not size.is_to_be_measured:
            found.append(size)
            continue
        outcome = _trained(executor, trainer, spec, size, -MAX_LOSSES * number, goes_on)
        if outcome is None:
            return None
        if outcome.cost_snt is None:
            raise TrainingError(
                f"The cost of {size.name!r} was not measured: "
                f"{outcome.error or 'its training reports no cost_snt. State the cost, or report it.'}"
            )
        full = full or outcome.cost_snt
        cost = outcome.cost_snt / full
        found.append(replace(size, cost=cost, is_to_be_measured=False) if number else size)
    return tuple(found)


def _trained(
    executor: JobExecutor,
    trainer: Trainer,
    spec: JobSpec,
    size: SizeVariant,
    number: int,
    goes_on: Callable[[], bool],
) -> TrialOutcome | None:
    """Train the first task for one epoch at a size; None if it is not to go on."""
    network = Network.of(spec.tasks[0], size=size.number)
    fidelity = 1 / trainer.trainings.epochs_of(1, 1.0)
    request = TrialRequest(network, spec.search_seeds[0], fidelity)
    name = f"the cost of {size.name}"
    answer: Trained | Lost | None = None
    for loss in range(MAX_LOSSES):
        deadline_s = trainer.trainings.deadline_s(network, fidelity)
        executor.submit(TrainingOrder(number - loss, {name: request}, deadline_s=deadline_s))
        answer = _answer(executor, goes_on)
        if not isinstance(answer, Lost):
            break
    if isinstance(answer, Lost):
        raise TrainingError(f"The cost of {size.name!r} was not measured: {answer.reason}")
    return None if answer is None else answer.outcomes[name]


def _answer(executor: JobExecutor, goes_on: Callable[[], bool]) -> Trained | Lost | None:
    """Wait for the answer to the only order; None if it is not to go on."""
    while goes_on():
        answers = executor.collect(POLL_S)
        executor.reports()  # of no training of the job
        if answers:
            return answers[0]
    return None
