"""Registry of trainers: the built-in ones, those of installed plug-ins, and those registered in a file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from grouping.domain.access import Scope
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import JobSpec
from grouping.parameters import build, schema_of
from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.trainers.built_in import BuiltIn
from grouping.trainers.external import External
from grouping.trainers.registered import find_registered, registered_file
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
        origin: where it comes from: ``built in``, a distribution with its version, or the name of a file.
        scope: what a token has to allow to submit a job with it.
    """

    name: str
    title: str
    description: str
    measures_affinities: bool
    parameters: Mapping[str, Any]
    origin: str
    scope: Scope


@cache
def discover_trainers() -> Catalogue[type[Trainer]]:
    """Find the trainers of this installation, once per process; ``cache_clear()`` makes it look again."""
    return _with_registered(discover(ENTRY_POINT_GROUP, BUILT_IN, _load_plug_in))


def _with_registered(installed: Catalogue[type[Trainer]]) -> Catalogue[type[Trainer]]:
    """Add the trainers of the file; a name that is installed is not replaced."""
    file, registered = registered_file(), find_registered()
    if file is None:
        return installed
    taken = {trainer.name for trainer in installed.found}
    reason = f"The name is that of an installed trainer: choose another one in {file}."
    refused = (Unavailable(t.name, str(file), reason) for t in registered.found if t.name in taken)
    added = tuple(trainer for trainer in registered.found if trainer.name not in taken)
    return Catalogue(
        installed.found + added,
        (*installed.unavailable, *registered.unavailable, *refused),
        {**installed.origins, **{trainer.name: file.name for trainer in added}},
    )


def list_trainers() -> tuple[TrainerInfo, ...]:
    """List every usable trainer, the built-in ones first."""
    known = discover_trainers()
    return tuple(
        TrainerInfo(
            t.name,
            t.title,
            t.description,
            t.measures_affinities,
            _schema_of(t),
            known.origins.get(t.name, "built in"),
            t.scope,
        )
        for t in known.found
    )


def list_unavailable() -> tuple[Unavailable, ...]:
    """List installed and registered trainers that cannot be used, with the reason."""
    return discover_trainers().unavailable


def get_trainer(name: str, parameters: Mapping[str, Any] | None = None) -> type[Trainer]:
    """Return the trainer of that name, after checking that it takes these parameters, if any are given.

    Raises:
        UnknownNameError: if there is none.
        InvalidInputError: if it does not take one of the parameters, or not that value, or if a plug-in of
            that name is installed but cannot be used.
    """
    found = discover_trainers().get(name, kind="trainer", pointer="/trainer/name")
    if found.parameters is not None and parameters is not None:
        build(found.parameters, parameters, what=f"trainer {name}", pointer="/trainer/parameters")
    return found


def trainer_of(job: Job, operator: Mapping[str, Any] | None = None) -> Trainer:
    """Build the trainer of a job.

    Args:
        job: the job in its present state, so that what was settled before stays.
        operator: settings by whoever runs the service, by name of the trainer.

    Raises:
        UnknownNameError, InvalidInputError: as `get_trainer`.
    """
    settled = job.settled if job.data_digest is not None else None
    return trainer_for(job.spec, operator, settled, job.id)


def trainer_for(
    spec: JobSpec,
    operator: Mapping[str, Any] | None = None,
    settled: Mapping[str, Any] | None = None,
    job_id: str = "",
) -> Trainer:
    """Build the trainer of what may be no job yet; see `trainer_of`.

    Args:
        spec: what is asked for.
        operator: settings by whoever runs the service, by name of the trainer.
        settled: what an earlier preparation settled; None if there was none.
        job_id: identifier of the job; empty if there is none.
    """
    told = TrainerJob(
        spec.problem,
        spec.tasks,
        terms_of_job(spec),
        spec.trainer_parameters,
        spec.preparation_seed,
        (operator or {}).get(spec.trainer, {}),
        settled,
        job_id,
        spec.definitions,
        spec.size_names,
        spec.training_terms,
    )
    return get_trainer(spec.trainer, spec.trainer_parameters)(told)


def terms_of_job(spec: JobSpec) -> SearchTerms:
    """Return the terms of the search of a job; its trainer says how to plan where the job leaves it out."""
    trainer = trainer_class(spec.trainer)
    return SearchTerms.of_job(
        spec,
        plans_continuously=trainer.plans_continuously,
        n_together=trainer.n_together(spec.trainer_parameters),
    )


def trainer_class(name: str) -> type[Trainer]:
    """Return the class of a trainer; `Trainer`, for its defaults, where it is no longer installed."""
    found: dict[str, type[Trainer]] = {trainer.name: trainer for trainer in discover_trainers().found}
    return found.get(name, Trainer)


def max_attempts_of(spec: JobSpec) -> int:
    """Return the failures after which a training of a job is given up; see `Trainings.max_attempts`."""
    return spec.max_attempts or trainer_class(spec.trainer).max_attempts


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
