"""What the dispatcher and its driver process say to each other, over one pipe.

The dispatcher sends `Prepare`, `Measure`, `Tune`, `Compare`, `Train` and `Rest`; the driver answers each with
the one answer named in its docstring, in any order for trainings, and tells by `Resized` how many fit. The
pipe's end is the only other signal: whichever side dies, the other notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grouping.domain.arithmetic import Company
from grouping.domain.engines import Engine, EngineChoice, Work
from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping.domain.trials import TrialOutcome, TrialRequest


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load the data of a problem for these tasks and measure networks. Answered by `Prepared` or `Refused`.

    Attributes:
        problem: name of a registered problem.
        tasks: names of the tasks of the job.
        recipe: decides the widths that are measured.
        networks: networks whose inference cost is wanted.
    """

    problem: str
    tasks: tuple[str, ...]
    recipe: Recipe
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A network with its measured inference cost.

    Attributes:
        network: the network, `cost_snt` as measured.
        multiply_adds: of its encoder, for one row.
        widths: of its hidden layers.
        latency_ms: median time of a forward pass of its encoder on one row, in milliseconds, on a worker;
            None where none could be asked.
    """

    network: Network
    multiply_adds: int
    widths: tuple[int, ...]
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data is in the object store.

    Attributes:
        data_digest: of the data set.
        measurements: one per network asked for, in order; None for a size that cannot be built.
        n_workers: how many trainings run at the same time; `Resized` tells of changes.
        versions: what a worker trains with, its arithmetic included.
    """

    data_digest: str
    measurements: tuple[Measurement | None, ...]
    n_workers: int
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure further networks of the prepared problem. Answered by `Measured` or `Refused`.

    Attributes:
        networks: networks whose inference cost is wanted.
        recipe: decides the widths that are measured.
    """

    networks: tuple[Network, ...]
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Measured:
    """Inference costs; one per network asked for, in order, None for a size that cannot be built."""

    measurements: tuple[Measurement | None, ...]


@dataclass(frozen=True, slots=True)
class Tune:
    """Search a better recipe for the prepared problem. Answered by `Tuned` or `Refused`.

    Attributes:
        recipe: where to start; it is one of the samples.
        n_samples: recipes tried, the first included.
        seed: of the samples and of their trainings.
    """

    recipe: Recipe
    n_samples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best recipe found.

    Attributes:
        recipe: the recipe.
        loss: mean validation loss of all tasks together under it; lower is better.
        first_loss: the last one known under the recipe it started from, which may have been stopped early.
        epochs: epochs spent over all samples.
    """

    recipe: Recipe
    loss: float
    first_loss: float
    epochs: int


@dataclass(frozen=True, slots=True)
class Compare:
    """Find the fastest engine for the trainings of a job. Answered by `Compared` or `Refused`.

    Attributes:
        recipe: how they are trained.
        work: what is trained.
    """

    recipe: Recipe
    work: Work


@dataclass(frozen=True, slots=True)
class Compared:
    """The engine found; None where no worker was free to compare them."""

    choice: EngineChoice | None


@dataclass(frozen=True, slots=True)
class Train:
    """Train a stack of networks of the prepared problem on one worker. Answered by `Trained` or `Lost`.

    Attributes:
        number: comes back with the answer; never used twice by one job.
        job_id: whose trainings they are; names the folder of their checkpoints.
        requests: what to train, by trial.
        recipe: how.
        engine: by which engine, where it can carry them out.
    """

    number: int
    job_id: str
    requests: Mapping[str, TrialRequest]
    recipe: Recipe
    engine: Engine = Engine.AUTO


@dataclass(frozen=True, slots=True)
class Rest:
    """No more trainings for now: free what other users of the cluster could use. Not answered."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The trainings of an order ended.

    Attributes:
        number: of the order.
        outcomes: how, by trial: one for each.
        versions: what the worker trained them with; empty where its code raised.
        company: in what company it trained them.
    """

    number: int
    outcomes: Mapping[str, TrialOutcome]
    versions: Mapping[str, str] = field(default_factory=dict)
    company: Company = Company.ANY


@dataclass(frozen=True, slots=True)
class Lost:
    """The trainings of an order were lost with their worker; whose fault it was is not known."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Resized:
    """Nodes joined or left the cluster: `n_workers` trainings run at the same time from now on."""

    n_workers: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A request cannot be carried out, and would not be the next time either; `reason` is for the user."""

    reason: str


Order = Prepare | Measure | Tune | Compare | Train | Rest


@dataclass(frozen=True, slots=True)
class Ended:
    """The driver cannot go on and ends; `reason` says why."""

    reason: str


Answer = Prepared | Measured | Tuned | Compared | Trained | Lost | Refused | Resized | Ended
