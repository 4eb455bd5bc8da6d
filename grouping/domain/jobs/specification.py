"""Specification of a job: everything that a user may choose of a grouping search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import Interval, Len, MaxLen

from grouping.domain.constraints import Constraints
from grouping.domain.fields import Pattern, Shown, check
from grouping.domain.jobs.labels import MAX_JOB_NAME, MAX_TAGS, Tag, check_tags
from grouping.domain.jobs.task_definitions import MAX_SIZES, SizeVariant, TaskDefinition, Weight, check_sizes
from grouping.domain.jobs.webhooks import MAX_WEBHOOKS, Webhook
from grouping.domain.networks import CANDIDATE_LIMIT, Candidates
from grouping.domain.tasks import MAX_NAME_LENGTH, MAX_TASKS, Name
from grouping.domain.trainings.recipes import MAX_EPOCHS, Method
from grouping.domain.trainings.resources import StatedResources
from grouping.domain.trainings.splits import MAX_SPLITS
from grouping.domain.trainings.terms import TrainingTerms, size_text
from grouping.domain.verdicts.baselines import Baselines, ComparedWith
from grouping.domain.verdicts.tuning import N_TUNING_SEEDS, Tune, TuningTerms
from grouping.errors import InvalidInputError, pointer_part, pointing_below

MAX_SEEDS = 50
MAX_BUDGETS = 50
N_DEFAULT_BUDGETS = 5
"""The most inference budgets of a job that names none."""
MAX_REUSE_JOBS = 10
MAX_BUDGET_SNT = 10_000.0
MAX_SEED = (2**53 - 1) // 10_000
"""So that every seed that follows from it is an exact number in JSON."""
DEFAULT_STRATEGY = "adaptive"
DEFAULT_TRAINER = "built-in"
CHOICES = ("strategy", "trainer")
"""Fields of a job that name what it takes of several, with the parameters of it in a field of their own."""

Count = Annotated[int, Interval(ge=1, le=1_000_000_000)]
Seconds = Annotated[float, Interval(gt=0, le=1e9)]
Budget = Annotated[float, Interval(gt=0, le=MAX_BUDGET_SNT)]
SingleSize = Annotated[float, Interval(gt=0, le=8)]
SizeKey = Annotated[str, Len(1, 100)]
JobId = Annotated[str, Pattern(r"^[0-9a-f]{4,32}$")]


PARAMETERS = frozenset(f"{choice}_parameters" for choice in CHOICES)
"""Fields of a job that hold parameters of a choice; over HTTP they stand beside its name."""
DEFINED = frozenset({"definitions", "sizes"})
"""Fields of a job by which it defines itself what is trained; a search file has them, options have not."""
NOT_CLONED = frozenset({"problem", "tasks", "definitions", "sizes", "reuse_jobs"})
"""Fields of a job that a clone takes from the other job as they are; tasks are added and dropped."""


class Planning(StrEnum):
    """When the next networks of a search are chosen."""

    STEPS = "steps"
    """Once everything that was chosen before is trained: the same job trains the same networks."""
    CONTINUOUS = "continuous"
    """Whenever a worker is free: none waits, and which networks are trained depends on what ends first."""


@dataclass(frozen=True, slots=True)
class TrainingBudget:
    """The most a search may spend, confirmation included; None means no limit.

    Trials are counted when they are planned; outcomes copied from another job are free. Attempts repeated
    after a crash come on top, as does what a trainer spends before the first trial: the ledger of the job and
    its events show them. A part is kept back from the search for the confirmation; see
    `grouping.domain.trainings.allowance`.

    Attributes:
        trainings: number of trainings, whatever the size of the network and the number of epochs.
        epochs: sum of the epochs of all trainings.
        seconds: sum of the training seconds of all workers. Unlike trainings and epochs, they depend on the
            machine: the same job may stop at another trial when it is run again.
    """

    trainings: Annotated[Count | None, Shown("Trainings at most", "--max-trainings", "no limit")] = None
    epochs: Annotated[Count | None, Shown("Epochs at most", "--max-epochs", "no limit")] = None
    seconds: Annotated[Seconds | None, Shown("Training seconds at most", "--max-seconds", "no limit")] = None

    def __post_init__(self) -> None:
        check(self, "/training_budget")


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Specification of a job: everything that a user may choose.

    A field is declared here and nowhere else: requests over HTTP, the form of the web view and the options of
    ``grouping run`` and ``grouping clone`` are made from these annotations and the descriptions below.
    Tasks are in the order of the problem or of their definitions, inference budgets ascending, reused jobs
    once each.

    Attributes:
        problem: name of the problem to train on; GET /v1/problems lists them.
        tasks: names of the tasks to group.
        name: name by which people recognise the job; an empty one is made of problem and tasks, and numbered.
        strategy: name of the strategy that decides which networks are trained; GET /v1/strategies lists them.
        strategy_parameters: parameters of the strategy, by its JSON Schema.
        trainer: name of the trainer that trains the networks; GET /v1/trainers lists them.
        trainer_parameters: parameters of the trainer, by its JSON Schema.
        max_group_size: the most tasks that may share a network.
        single_sizes: sizes, besides 1, in which a network of a single task may be chosen.
        budgets_snt: inference budgets to recommend a grouping for, in standard network times (the full-size
            network costs 1).
        n_seeds: number of seeds with which each network is trained in the search; the choice is made by the
            mean loss over them.
        n_confirmation_seeds: number of fresh seeds with which the chosen networks and the baselines are
            trained again for the verdict; 0 for no verdict.
        n_splits: number of splits of the data over which the verdict is made: the first is that of the
            search, and on each further one the chosen networks and the baselines are trained once. The data
            must be divided at random: a table of your own, unless it is split by time or by a column.
        training_budget: the most training that the job may spend.
        weights: weights of tasks in the total loss; tasks that are left out keep the problem's weight,
            usually 1.
        planning: when the next networks are chosen: in steps, once all chosen before are trained, so that the
            same job always trains the same networks; or continuous, whenever a worker is free, so that none
            waits.
        seed: seed from which everything random in the job follows.
        reuse_jobs: jobs, by the first characters of their identifiers or more, on the same problem, or on
            another version of its data set, whose outcomes are copied, at no cost, where training would give
            the same: inputs, split, labels, trainer, its parameters, group, size and seed agree. Training
            seeds follow from the job's seed, so use the same seed.
        definitions: definitions of the tasks, where the job defines them itself and has no problem.
        sizes: sizes that the trainer can build, by name, the full size first; then no others are trained, and
            `single_sizes` are the numbers of the further ones. Groups of several tasks have the full size.
        constraints: demands on every recommended grouping, beside the inference budget: which tasks are
            served together or kept apart, ceilings of losses, the most networks. They are the default of each
            solve of the job's scores, and networks that they forbid are not trained.
        compared_with: baselines of equal cost with which the verdict compares: both, all-together, all-alone,
            or none.
        epochs: epochs of a full training. Short trainings have their share of them; training budgets count
            them.
        resources: what each training holds while it runs; goes over what the trainer says.
        resources_of: what differs from that, by name or number of the size of the network.
        deadline_s: seconds after which a training is ended with what it started, and has failed; goes over
            what the trainer says.
        max_attempts: failures after which a training is given up that asks for another attempt; losses of
            machines do not count.
        tune: what is tuned for the verdict: none, so that all are trained under the one recipe of the job; or
            each, so that the recommended grouping and each baseline get a recipe of their own by the same
            tuner, and a second verdict compares them under these.
        n_recipes: number of recipes that are tried for each of them, that of the job first, where each is
            tuned; the best are tried on more seeds.
        tags: words by which the job is found again.
        notify: addresses that are told when the job has ended, by a signed POST; who runs the service allows
            them.
    """

    problem: Annotated[
        str, MaxLen(MAX_NAME_LENGTH), Shown("Problem", "", "none, for a job that defines its tasks,")
    ]
    tasks: Annotated[tuple[Name, ...], Len(1, MAX_TASKS), Shown("Tasks", "--task", "all of the problem's")]
    name: Annotated[str, MaxLen(MAX_JOB_NAME), Shown("Name", "--name")] = ""
    strategy: Annotated[Name, Shown("Strategy", "--strategy")] = DEFAULT_STRATEGY
    strategy_parameters: Mapping[str, Any] = field(default_factory=dict)
    trainer: Annotated[Name, Shown("Trainer", "--trainer")] = DEFAULT_TRAINER
    trainer_parameters: Mapping[str, Any] = field(default_factory=dict)
    max_group_size: Annotated[
        int, Interval(ge=1, le=MAX_TASKS), Shown("Largest group", "--max-group-size", "the number of tasks")
    ] = 5
    single_sizes: Annotated[
        tuple[SingleSize, ...], MaxLen(16), Shown("Further sizes of single-task networks", "--single-size")
    ] = (0.5,)
    budgets_snt: Annotated[
        tuple[Budget, ...],
        Len(1, MAX_BUDGETS),
        Shown("Inference budgets (SNT)", "--budget", "1, 2, ... up to the number of tasks, at most five,"),
    ] = (1.0, 2.0, 3.0)
    n_seeds: Annotated[int, Interval(ge=1, le=MAX_SEEDS), Shown("Seeds to choose on", "--seeds")] = 3
    n_confirmation_seeds: Annotated[
        int, Interval(ge=0, le=MAX_SEEDS), Shown("Fresh seeds to confirm on", "--confirm")
    ] = 5
    n_splits: Annotated[
        int | None,
        Interval(ge=1, le=MAX_SPLITS),
        Shown("Splits to confirm on", "--splits", "1, or the folds"),
    ] = None
    training_budget: TrainingBudget = TrainingBudget()
    weights: Annotated[Mapping[Name, Weight], MaxLen(MAX_TASKS), Shown("Weights of tasks", "--weight")] = (
        field(default_factory=dict)
    )
    planning: Annotated[Planning | None, Shown("Planning", "--planning", "as the trainer does")] = None
    seed: Annotated[int, Interval(ge=0, le=MAX_SEED), Shown("Seed of the job", "--seed")] = 0
    reuse_jobs: Annotated[tuple[JobId, ...], MaxLen(MAX_REUSE_JOBS), Shown("Jobs to reuse", "--reuse")] = ()
    definitions: Annotated[tuple[TaskDefinition, ...], MaxLen(MAX_TASKS)] = ()
    sizes: Annotated[tuple[SizeVariant, ...], MaxLen(MAX_SIZES)] = ()
    constraints: Constraints = field(default_factory=Constraints)
    compared_with: Annotated[ComparedWith, Shown("Baselines of the verdict", "--compared-with")] = (
        ComparedWith.BOTH
    )
    epochs: Annotated[
        int | None,
        Interval(ge=1, le=MAX_EPOCHS),
        Shown("Epochs of a full training", "--epochs", "as the trainer says"),
    ] = None
    resources: StatedResources = field(default_factory=StatedResources)
    resources_of: Annotated[
        Mapping[SizeKey, StatedResources],
        MaxLen(MAX_SIZES),
        Shown("What differs by size", "--resources-of"),
    ] = field(default_factory=dict)
    deadline_s: Annotated[
        Seconds | None, Shown("Seconds until a training is ended", "--deadline-s", "as the trainer says")
    ] = None
    max_attempts: Annotated[
        int | None,
        Interval(ge=1, le=100),
        Shown("Failures of a training", "--max-attempts", "as the trainer says"),
    ] = None
    tune: Annotated[Tune, Shown("Tuned for the verdict", "--tune")] = Tune.NONE
    n_recipes: Annotated[int, Interval(ge=2, le=200), Shown("Recipes tried for each", "--recipes")] = 24
    tags: Annotated[tuple[Tag, ...], MaxLen(MAX_TAGS), Shown("Tags", "--tag")] = ()
    notify: Annotated[
        tuple[Webhook, ...], MaxLen(MAX_WEBHOOKS), Shown("Webhooks at its end", "--notify")
    ] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", check_tags(self.tags, pointer="/tags"))
        check(self)
        if bool(self.problem) == bool(self.definitions):
            raise InvalidInputError(
                "A job names a problem, or it defines its tasks: one of the two.", pointer="/problem"
            )
        if self.definitions and tuple(task.name for task in self.definitions) != self.tasks:
            raise InvalidInputError("The tasks are not those that the job defines.", pointer="/tasks")
        if (self.n_splits or 1) > 1 and not self.n_confirmation_seeds:
            raise InvalidInputError(
                "A verdict over several splits needs fresh seeds: ask for some to confirm on.",
                pointer="/n_splits",
            )
        check_sizes(self.sizes)
        if self.sizes:
            object.__setattr__(self, "single_sizes", tuple(size.number for size in self.sizes[1:]))
        if len(set(self.tasks)) != len(self.tasks):
            raise InvalidInputError("Name each task once.", pointer="/tasks")
        if unknown := set(self.weights) - set(self.tasks):
            raise InvalidInputError(
                f"Weights for tasks that are not grouped: {', '.join(sorted(unknown))}.", pointer="/weights"
            )
        if self.planning is not None:
            if self.planning not in list(Planning):
                raise InvalidInputError(f"Planning is one of {', '.join(Planning)}.", pointer="/planning")
            object.__setattr__(self, "planning", Planning(self.planning))
        if self.compared_with not in list(ComparedWith):
            raise InvalidInputError(
                f"A verdict compares with one of {', '.join(ComparedWith)}.", pointer="/compared_with"
            )
        object.__setattr__(self, "compared_with", ComparedWith(self.compared_with))
        self._check_tune()
        with pointing_below("/constraints"):
            constraints = self.constraints.of_search(self._possible(limit=0))
        object.__setattr__(self, "constraints", constraints)
        self._check_resources_of()
        object.__setattr__(self, "budgets_snt", tuple(sorted(set(self.budgets_snt))))
        object.__setattr__(self, "notify", tuple(dict.fromkeys(self.notify)))
        object.__setattr__(self, "reuse_jobs", tuple(dict.fromkeys(self.reuse_jobs)))

    def _check_tune(self) -> None:
        if self.tune not in list(Tune):
            raise InvalidInputError(f"Tune one of {', '.join(Tune)}.", pointer="/tune")
        object.__setattr__(self, "tune", Tune(self.tune))
        if self.tune is Tune.NONE:
            return
        if self.n_confirmation_seeds < 2:
            raise InvalidInputError(
                "What is tuned is judged on fresh seeds: ask for two or more, or tune none.", pointer="/tune"
            )
        if self.compared_with is ComparedWith.NONE:
            raise InvalidInputError(
                "Each is tuned to be compared: choose baselines, or tune none.", pointer="/tune"
            )

    def _check_resources_of(self) -> None:
        for size in self.resources_of:
            if size not in self.size_names.values() and not _is_size(size):
                named = f": {', '.join(self.size_names.values())}" if self.sizes else ""
                raise InvalidInputError(
                    f"{size!r} is no size; give a number such as 0.5, or the name of one of the job{named}.",
                    pointer=f"/resources_of/{pointer_part(size)}",
                )

    def chosen(self, choice: str) -> Method:
        """Name and parameters of a plug-in that the job uses; `choice` is one of `CHOICES`."""
        return Method(getattr(self, choice), getattr(self, f"{choice}_parameters"))

    @property
    def chosen_strategy(self) -> Method:
        """Strategy with its parameters."""
        return self.chosen("strategy")

    @property
    def chosen_trainer(self) -> Method:
        """Trainer with its parameters."""
        return self.chosen("trainer")

    @property
    def subject(self) -> str:
        """Subject of the job, for people: the problem, or else the trainer that knows the tasks."""
        return self.problem or self.trainer

    @property
    def default_name(self) -> str:
        """Name of the job where none is given; the store numbers jobs of the same one."""
        return f"{self.subject}, {len(self.tasks)} task{'s' * (len(self.tasks) != 1)}"

    @property
    def candidates(self) -> Candidates:
        """Networks that may be chosen, at their nominal costs."""
        return self.constraints.narrow(self._possible(CANDIDATE_LIMIT))

    @property
    def equal_cost_baselines(self) -> Baselines:
        """Baselines that the verdict compares with."""
        return Baselines(self.compared_with, self._built_snt)

    @property
    def training_terms(self) -> TrainingTerms:
        """What the job states of its trainings."""
        return TrainingTerms(
            self.epochs,
            self.resources,
            self.resources_of,
            self.deadline_s,
            self.max_attempts,
            self.size_names,
        )

    @property
    def _built_snt(self) -> Mapping[float, float] | None:
        return {size.number: size.cost for size in self.sizes} or None

    def _possible(self, limit: int) -> Candidates:
        """Candidates before constraints, listed if there are at most `limit`."""
        return Candidates.of(
            self.tasks,
            max_group_size=self.max_group_size,
            single_sizes=self.single_sizes,
            built_snt=self._built_snt,
            limit=limit,
        )

    @property
    def size_names(self) -> Mapping[float, str]:
        """Names of the sizes that the trainer can build, by number; empty where sizes have no names."""
        return {size.number: size.name for size in self.sizes}

    @property
    def size_numbers(self) -> Mapping[str, float]:
        """Numbers of the sizes that the trainer can build, by name."""
        return {size.name: size.number for size in self.sizes}

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """Seeds of the trials on which choices are made."""
        return tuple(self.seed * 1000 + i for i in range(self.n_seeds))

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """Seeds of the confirmation's trials, those on further splits last; none of them is a search seed."""
        return self.fresh_seeds(self.n_confirmation_seeds) + self.split_seeds

    def fresh_seeds(self, count: int) -> tuple[int, ...]:
        """Return so many seeds that are none of the search, at most 100, those of the confirmation first."""
        return tuple(self.seed * 1000 + 500 + i for i in range(count))

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """Seeds that are trained on the further splits, one on each in order.

        A seed tells its split whatever the number of splits, so that outcomes can be reused.
        """
        return tuple(self.seed * 1000 + 600 + split for split in range(1, self.n_splits or 1))

    @property
    def tuning(self) -> TuningTerms | None:
        """Terms of the tuning for the verdict, the seeds of the search first; None if nothing is tuned."""
        if self.tune is Tune.NONE:
            return None
        further = (self.seed * 1000 + 200 + i for i in range(N_TUNING_SEEDS))
        return TuningTerms(self.n_recipes, (*self.search_seeds, *further)[:N_TUNING_SEEDS])

    @property
    def preparation_seed(self) -> int:
        """Seed of what the trainer tries before the first trial; no trial has it."""
        return self.seed * 1000 + 900


def _is_size(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return 0 < number < float("inf") and size_text(number) == text
