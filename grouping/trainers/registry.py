"""Registry of trainers: the built-in ones, and those of installed plug-ins."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from grouping.domain.jobs import Job, JobSpec
from grouping.domain.search_state import SearchTerms
from grouping.parameters import build, schema_of
from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.trainers.built_in import BuiltIn
from grouping.trainers.external import External
from grouping.trainers.trainer import Trainer, TrainerJob

ENTRY_POINT_GROUP = "mtl_grouping.trainers"
BUILT_IN: tuple[type[Trainer], ...] = (BuiltIn, External)


@dataclass(frozen=True, slots=True)
class TrainerInfo:
    """Name and description of a trainer, for lists.

    Attributes:
        name: its name in jobs.
        title: its name for people.
        description: what it trains.
        measures_affinities: whether it can measure affinities while it trains.
        parameters: JSON Schema of its parameters.
    """

    name: str
    title: str
    description: str
    measures_affinities: bool
    parameters: Mapping[str, Any]


@cache
def discover_trainers() -> Catalogue[type[Trainer]]:
    """Find the trainers of this installation, once per process; ``cache_clear()`` makes it look again."""
    return discover(ENTRY_POINT_GROUP, BUILT_IN, _load_plug_in)


def list_trainers() -> tuple[TrainerInfo, ...]:
    """List every usable trainer, the built-in ones first."""
    return tuple(
        TrainerInfo(t.name, t.title, t.description, t.measures_affinities, _schema_of(t))
        for t in discover_trainers().found
    )


def list_unavailable() -> tuple[Unavailable, ...]:
    """List installed plug-ins that cannot be used, with the reason."""
    return discover_trainers().unavailable


def get_trainer(name: str, parameters: Mapping[str, Any] | None = None) -> type[Trainer]:
    """Return the trainer of that name, after checking that it takes these parameters.

    Raises:
        UnknownNameError: if there is none.
        InvalidInputError: if it does not take one of the parameters, or not that value, or if a plug-in of
            that name is installed but cannot be used.
    """
    found = discover_trainers().get(name, kind="trainer", pointer="/trainer/name")
    if found.parameters is not None:
        build(found.parameters, parameters or {}, what=f"trainer {name}", pointer="/trainer/parameters")
    return found


def trainer_of(job: Job, operator: Mapping[str, Any] | None = None) -> Trainer:
    """Build the trainer of a job.

    Args:
        job: the job in its present state, so that what was settled before stays.
        operator: settings by whoever runs the service, by name of the trainer.

    Raises:
        UnknownNameError, InvalidInputError: as `get_trainer`.
    """
    return trainer_for(job.spec, operator, job.settled if job.data_digest is not None else None)


def trainer_for(
    spec: JobSpec, operator: Mapping[str, Any] | None = None, settled: Mapping[str, Any] | None = None
) -> Trainer:
    """Build the trainer of what may be no job yet; see `trainer_of`.

    Args:
        spec: what is asked for.
        operator: settings by whoever runs the service, by name of the trainer.
        settled: what an earlier preparation settled; None if there was none.
    """
    told = TrainerJob(
        spec.problem,
        spec.tasks,
        SearchTerms.of_job(spec),
        spec.trainer_parameters,
        spec.preparation_seed,
        (operator or {}).get(spec.trainer, {}),
        settled,
    )
    return get_trainer(spec.trainer, spec.trainer_parameters)(told)


def trainer_class(name: str) -> type[Trainer]:
    """Return the class of a trainer; `Trainer`, for its defaults, where it is no longer installed."""
    found: dict[str, type[Trainer]] = {trainer.name: trainer for trainer in discover_trainers().found}
    return found.get(name, Trainer)


def parameters_in_use(job: Job) -> Mapping[str, Any]:
    """Return the parameters with which another job gets the same scores as this one; see `Trainer.in_use`."""
    settled = job.settled if job.data_digest is not None else None
    return trainer_class(job.spec.trainer).in_use(job.spec.trainer_parameters, settled)


def _schema_of(trainer: type[Trainer]) -> Mapping[str, Any]:
    return {"type": "object"} if trainer.parameters is None else schema_of(trainer.parameters)


def _load_plug_in(point: EntryPoint) -> type[Trainer]:
    found = point.load()
    if not (inspect.isclass(found) and issubclass(found, Trainer)):
        raise TypeError(f"{point.value} is not a subclass of grouping.trainers.Trainer")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise TypeError(f"{point.value} does not implement {missing}")
    if lacking := [name for name in ("name", "title", "description") if not hasattr(found, name)]:
        raise TypeError(f"{point.value} has no {', '.join(lacking)}")
    _schema_of(found)
    return found
