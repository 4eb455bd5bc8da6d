"""Which engine trains the networks of a job: one that the service names, or the fastest, measured once."""

from __future__ import annotations

from grouping.domain.engines import Engine, EngineChoice, Work
from grouping.domain.jobs import Job
from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping_workers.dialogue import Dialogue
from grouping_workers.messages import Compare, Compared


def choose_engine(job: Job, recipe: Recipe, named: Engine, dialogue: Dialogue) -> EngineChoice | None:
    """The engine of a job that is prepared for the first time; None where no worker could compare them.

    Later preparations must keep what this one found: scores of two engines differ by rounding.

    Args:
        job: the job.
        recipe: that its networks are trained with.
        named: the engine that the service names; `Engine.AUTO` for the fastest.
        dialogue: with the driver, which has the data. Left open if the wait was given up.

    Raises:
        TrainingError: if the driver refuses.
        WorkerLostError: if it died.
    """
    if named is not Engine.AUTO:
        return EngineChoice(named, "named by the service")
    answer = dialogue.ask(Compare(recipe, work_of(job, recipe)), Compared)
    return None if answer is None else answer.choice


def work_of(job: Job, recipe: Recipe) -> Work:
    """The work of a job as far as it is known before its search: that of training every candidate."""
    spec = job.spec
    budget = spec.training_budget
    tasks = spec.tasks[: (min(spec.max_group_size, len(spec.tasks)) + 1) // 2]
    n_trainings = spec.candidates.count * spec.n_seeds
    n_trainings = n_trainings if budget.trainings is None else min(n_trainings, budget.trainings)
    n_epochs = n_trainings * recipe.epochs
    # A budget in seconds ends at any trial, so that the seeds of a network would not stay together.
    n_seeds = spec.n_seeds if budget.seconds is None else 1
    return Work(
        Network.of(*tasks),
        n_networks=max(1, n_trainings // spec.n_seeds),
        n_seeds=n_seeds,
        n_epochs=n_epochs if budget.epochs is None else min(n_epochs, budget.epochs),
    )
