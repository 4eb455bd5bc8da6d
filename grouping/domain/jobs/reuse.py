"""Reuse of outcomes: trials that other jobs have carried out already, copied in place of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import NetworkKey
from grouping.domain.trainings.trials import Purpose, TrialKey

Reusable = Mapping[TrialKey, bool]
"""Trials whose outcome another job has, each with whether it measured affinities."""


@dataclass(frozen=True, slots=True)
class ReuseSource:
    """A job whose outcomes another may copy.

    Attributes:
        job_id: its identifier.
        obstacle: why none of its outcomes can be copied, in words; None if some may be.
        tasks: tasks of both jobs that are defined alike.
    """

    job_id: str
    obstacle: str | None
    tasks: frozenset[str] = frozenset()


def are_of_one_data_set(problem: str, other: str) -> bool:
    """Return whether outcomes on one problem may hold for another one.

    A problem made of a stored table is named by its data set and a digest, ``NAME:DIGEST``: of another
    version of the table, or with further targets, it may have the same inputs, rows and targets. What they
    are is compared once they are known.
    """
    (name, _, digest), (other_name, _, other_digest) = problem.partition(":"), other.partition(":")
    return problem == other or (name == other_name and bool(digest) and bool(other_digest))


def count_reusable(spec: JobSpec, known: Iterable[TrialKey]) -> tuple[int, int]:
    """Count the full trainings of candidates with the search seeds: those known, and all of them."""
    candidates, seeds = spec.candidates, frozenset(spec.search_seeds)
    listed = {network.key for network in candidates.networks or ()}

    def is_candidate(network: NetworkKey) -> bool:
        return network in listed if candidates.networks is not None else candidates.find(*network) is not None

    n_known = sum(
        key.purpose is Purpose.SEARCH
        and key.fidelity == 1
        and key.seed in seeds
        and is_candidate(key.network)
        for key in known
    )
    return n_known, candidates.count * len(seeds)
