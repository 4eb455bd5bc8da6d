"""Trials of a search that no database keeps: those that were told, and those that are still to be told."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from grouping.domain.trainings.trials import TaskScore, ToldFrom, Trial, TrialKey, TrialRequest, TrialState
from grouping.errors import InvalidInputError


class TrialRecord:
    """Trials by their key, in the order in which they were told or planned. Not thread-safe."""

    def __init__(self) -> None:
        self._told: dict[TrialKey, Trial] = {}
        self._open: dict[TrialKey, TrialRequest] = {}
        self._handed_out: set[TrialKey] = set()

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials: those that were told, then those that are planned or running."""
        first = len(self._told)
        still = (
            _trial(first + n, request, TrialState.RUNNING if key in self._handed_out else TrialState.PLANNED)
            for n, (key, request) in enumerate(self._open.items())
        )
        return (*self._told.values(), *still)

    @property
    def open(self) -> tuple[TrialRequest, ...]:
        """Requests that were planned and not told, handed out or not."""
        return tuple(self._open.values())

    @property
    def has_waiting(self) -> bool:
        """Whether any request is planned and not handed out."""
        return len(self._open) > len(self._handed_out)

    def plan(self, requests: Iterable[TrialRequest]) -> None:
        """Add requests to hand out."""
        self._open |= {request.key: request for request in requests if request.key not in self._told}

    def hand_out(self, n: int | None = None) -> tuple[TrialRequest, ...]:
        """Hand out at most `n` requests that nobody has; all of them without a number."""
        waiting = (request for key, request in self._open.items() if key not in self._handed_out)
        found = tuple(itertools.islice(waiting, n))
        self._handed_out |= {request.key for request in found}
        return found

    def give_back(self, requests: Iterable[TrialRequest]) -> None:
        """Take back requests that were handed out, so that they are handed out again."""
        self._handed_out -= {request.key for request in requests}

    def tell(
        self,
        request: TrialRequest,
        validation: Mapping[str, float] | None,
        test: Mapping[str, float] | None,
        is_free: bool,
    ) -> None:
        """Record the losses of a training; see `Search.tell`."""
        network = request.network
        if request.key in self._told:
            raise InvalidInputError(f"The training of {network} with seed {request.seed} was told before.")
        trial = _trial(len(self._told), request, TrialState.DIVERGED)
        if is_free:
            trial = replace(trial, told=ToldFrom())
        if validation is not None:
            if set(validation) != network.group:
                raise InvalidInputError(f"Give one validation loss for each task of {network}.")
            if not all(math.isfinite(loss) for loss in validation.values()):
                raise InvalidInputError(f"A validation loss of {network} is not finite: tell None instead.")
            tested = test or {}
            scores = tuple(TaskScore(task, loss, tested.get(task)) for task, loss in validation.items())
            trial = replace(trial, state=TrialState.SUCCEEDED, scores=scores)
        self._told[request.key] = trial
        self._open.pop(request.key, None)
        self._handed_out.discard(request.key)


def _trial(position: int, request: TrialRequest, state: TrialState) -> Trial:
    return Trial(
        id=str(position),
        position=position,
        network=request.network,
        purpose=request.purpose,
        seed=request.seed,
        fidelity=request.fidelity,
        state=state,
        measures_affinity=request.measures_affinity,
    )
