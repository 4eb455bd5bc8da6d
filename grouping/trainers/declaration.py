"""Declarations of trainers: what a person who runs the service or a worker writes about one in a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval, Len, MaxLen

from grouping.domain.access import Scope
from grouping.domain.fields import STRICT, check
from grouping.domain.networks import Network
from grouping.domain.trainings.resources import PlacedResources, Resources
from grouping.errors import InvalidInputError
from grouping.parameters import build
from grouping.trainers.placeholders import PLACEHOLDERS
from grouping.trainers.runtime_env import RuntimeEnv
from grouping.trainers.trainer import Prepared, Trainer, TrainerRequest
from grouping.trainers.workers import WorkerPool

Value = bool | int | float | str
TEXT = Annotated[str, MaxLen(1000)]


@dataclass(frozen=True, slots=True)
class TrainerDeclaration:
    """A trainer as it is declared. Exactly one of `command` and `python` is given.

    Attributes:
        command: the program and its arguments, with placeholders.
        python: a class or function: ``file.py:Name`` or ``package.module:Name``.
        title: name for people; that of the trainer unless given.
        description: what it trains, in a sentence.
        directory: folder that a command is started in, and that `python` is found from; unless given, the
            `working_dir` of `runtime_env`, or else the folder of the file of declarations.
        runtime_env: what Ray brings to the workers, on every node.
        environment: environment variables of a command.
        epochs: epochs that a full training counts in a training budget.
        resources: what a training holds.
        resources_of: what differs from that, by size of the network.
        deadline_s: seconds after which a training is ended and counts as failed.
        max_attempts: failures after which a training is given up that asks for another attempt; losses of
            machines do not count.
        measures_affinities: whether it can measure affinities.
        data: name of the version of the data. Scores of another version are never compared.
        parameters: parameters that a job may give, with their defaults, which also say their types.
        grace_s: seconds between SIGTERM and SIGKILL where a command is ended.
        scope: what a token has to allow to submit a job with it: ``submit``, or ``admin``, such as where a
            parameter is code that the command runs.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    command: tuple[str, ...] = ()
    python: str = ""
    title: Annotated[str, MaxLen(200)] = ""
    description: Annotated[str, MaxLen(1000)] = ""
    directory: Annotated[str, Len(1)] | None = None
    runtime_env: RuntimeEnv | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    epochs: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    resources: PlacedResources | None = None
    resources_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    deadline_s: Annotated[float, Interval(gt=0)] | None = None
    max_attempts: Annotated[int, Interval(ge=1, le=100)] | None = None
    measures_affinities: bool | None = None
    data: Annotated[str, MaxLen(200)] = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    grace_s: Annotated[float, Interval(ge=0, le=3600)] = 10.0
    scope: Literal["submit", "admin"] = "submit"

    def __post_init__(self) -> None:
        check(self)
        if bool(self.command) == bool(self.python):
            raise InvalidInputError(
                'Give either command = ["python", "train.py", ...] or python = "file.py:Name".'
            )
        for name in self.parameters:
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
                raise InvalidInputError(
                    f"{name!r} is no name of a parameter: use letters, digits and _.", pointer="/parameters"
                )
            if name in PLACEHOLDERS and name != "epochs":  # may be a parameter: the job says it once
                raise InvalidInputError(
                    f"Each training has its own {name!r}: choose another name for the parameter.",
                    pointer="/parameters",
                )
        for size in self.resources_of:
            self._resources_at(size)

    def resources_for(self, network: Network) -> Resources | None:
        """Return what a training of a network holds; None where nothing is declared."""
        return self._resources_at(f"{network.size:.12g}")

    def _resources_at(self, size: str) -> Resources | None:
        other = self.resources_of.get(size)
        if other is None:
            return self.resources
        common = {} if self.resources is None else dataclasses.asdict(self.resources)
        return build(PlacedResources, {**common, **other}, what="resources", pointer=f"/resources_of/{size}")

    @property
    def digest(self) -> str:
        """Digest of what is run on what: the line that names the code, and the name of the data.

        The code itself is not part of it: after a change that matters, give `data` another name.
        """
        said = json.dumps([self.command, self.python, self.data])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


class DeclaredTrainer(Trainer):
    """A trainer under a declaration; what is not declared is as the class below says.

    Attributes:
        declaration: the declaration.
        folder: folder that relative paths start from.
    """

    declaration: ClassVar[TrainerDeclaration]
    folder: ClassVar[Path]

    def epochs_of(self, n_tasks: int, fidelity: float) -> int:
        """Return the declared epochs, times the fidelity."""
        if self.declaration.epochs is None:
            return super().epochs_of(n_tasks, fidelity)
        return max(1, round(self.declaration.epochs * fidelity))

    def resources(self, network: Network) -> Resources | None:
        """Return the declared resources."""
        found = self.declaration.resources_for(network)
        return super().resources(network) if found is None else found

    def runtime_env(self) -> RuntimeEnv | None:
        """Return what is declared."""
        declared = self.declaration.runtime_env
        return super().runtime_env() if declared is None else declared

    def deadline_s(self, network: Network, fidelity: float) -> float | None:
        """Return the declared deadline."""
        declared = self.declaration.deadline_s
        return super().deadline_s(network, fidelity) if declared is None else declared

    def prepare(self, pool: WorkerPool) -> Prepared:
        """Prepare, and name the declared data and code in the fingerprint."""
        prepared = super().prepare(pool)
        return replace(prepared, fingerprint=f"{prepared.fingerprint} {self.declaration.digest}")


class TableTrainer(DeclaredTrainer):
    """A declared trainer whose parameters are a table of the declaration."""

    @classmethod
    def complete(cls, request: TrainerRequest) -> Mapping[str, Any]:
        """Fill up parameters with the declared defaults."""
        assert cls.parameters is not None
        what = f"trainer {cls.name}"
        return dataclasses.asdict(build(cls.parameters, request.parameters, what=what))

    @property
    def given(self) -> Mapping[str, Any]:
        """Values of all parameters of the job."""
        assert self.parameters is not None
        return dataclasses.asdict(build(self.parameters, self.job.parameters, what=f"trainer {self.name}"))


def attributes_of(name: str, declaration: TrainerDeclaration, folder: Path) -> dict[str, Any]:
    """Return the class attributes of a declared trainer; those not declared are left to the class below."""
    found: dict[str, Any] = {"name": name, "declaration": declaration, "folder": folder}
    found["scope"] = Scope(declaration.scope)
    said = {
        "title": declaration.title or None,
        "description": declaration.description or None,
        "max_attempts": declaration.max_attempts,
        "measures_affinities": declaration.measures_affinities,
    }
    return found | {key: value for key, value in said.items() if value is not None}


def parameters_of(declaration: TrainerDeclaration) -> type[Any]:
    """Return a dataclass of the declared parameters, each of the type of its default."""
    fields = [
        (name, TEXT if isinstance(value, str) else type(value), field(default=value))
        for name, value in declaration.parameters.items()
    ]
    return dataclasses.make_dataclass("Parameters", fields, frozen=True)
