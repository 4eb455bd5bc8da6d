"""Training of many networks, each by the engine that suits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError
from grouping.training.cost import network_widths
from grouping.training.data import TrainingData
from grouping.training.engines.engine_run import EngineRun, OnEpoch, carry_out
from grouping.training.engines.keeper import Keeper
from grouping.training.engines.planning import divide
from grouping.training.engines.sequential import SingleTraining
from grouping.training.engines.stacked import StackedTraining
from grouping.training.engines.vmapped import VmappedTraining
from grouping.training.methods import build_encoder

State = Mapping[str, Tensor] | None


def train_networks(
    data: TrainingData,
    requests: Sequence[TrialRequest],
    recipe: Recipe,
    *,
    should_stop: Callable[[], bool] | None = None,
    on_epoch: OnEpoch | None = None,
    keeper: Keeper | None = None,
    engine: Engine = Engine.AUTO,
) -> tuple[TrialOutcome, ...]:
    """Train many networks and score the tasks of each, as `train_network` does for one.

    Args:
        data: the data set as tensors.
        requests: networks, seeds and fidelities, in any order.
        recipe: architecture and optimisation of all of them.
        should_stop: called before every epoch of every share of the requests. Once it returns True nothing
            more is trained: unfinished requests have failed.
        on_epoch: called after every epoch of a training with its request, the number of epochs carried out
            and the mean training loss.
        keeper: gives states to go on from, and saves those of unfinished trainings. A training whose state
            does not fit, such as that of an older version of a method, starts anew.
        engine: engine to train with; unless named, a rule chooses one so that the floats of a request are
            independent of the other requests (on a CPU, with one thread).

    Returns:
        An outcome per request, in their order. A request that can never work has failed, with the reason;
        the others are trained. The seconds of an outcome are its share of the time of those trained with it.

    Raises:
        InvalidInputError: if the engine that is named cannot carry out one of the requests.
    """
    outcomes: dict[int, TrialOutcome] = {}
    states: dict[int, State] = {}
    for number, request in enumerate(requests):
        try:
            tasks = data.tasks_of(request.network.group)
            network_widths(recipe, build_encoder(recipe, data.n_features), tasks, request.network.size)
        except GroupingError as error:
            outcomes[number] = TrialOutcome(TrialState.FAILED, error=str(error))
        else:
            state = None if keeper is None else keeper.load(request)
            states[number] = state if state is not None and "epoch" in state else None
    possible = list(states)
    shares = divide(data, [requests[n] for n in possible], recipe, engine, list(states.values()))
    has_stopped = False

    def stops() -> bool:
        nonlocal has_stopped
        has_stopped = has_stopped or (should_stop is not None and should_stop())
        return has_stopped

    for share in shares:
        members = [possible[member] for member in share.members]
        wanted, own = [requests[n] for n in members], [states[n] for n in members]
        found = _train(data, wanted, recipe, share.engine, own, stops, on_epoch, keeper)
        outcomes |= zip(members, found, strict=True)
    return tuple(outcomes[number] for number in range(len(requests)))


def _train(
    data: TrainingData,
    requests: Sequence[TrialRequest],
    recipe: Recipe,
    engine: Engine,
    states: Sequence[State],
    should_stop: Callable[[], bool],
    on_epoch: OnEpoch | None,
    keeper: Keeper | None,
) -> tuple[TrialOutcome, ...]:
    """Train one share; if it cannot be begun, its members one by one: perhaps only one is at fault."""

    def again(members: Sequence[int], chosen: Engine, own: Sequence[State]) -> tuple[TrialOutcome, ...]:
        wanted = [requests[member] for member in members]
        return _train(data, wanted, recipe, chosen, own, should_stop, on_epoch, keeper)

    try:
        run = begin(data, requests, recipe, engine, states)
    except GroupingError as error:
        if engine is Engine.VMAP or len(requests) > 1:
            single = Engine.SEQUENTIAL if engine is Engine.VMAP else engine
            return tuple(again([n], single, [state])[0] for n, state in enumerate(states))
        if states[0] is not None:
            return again([0], engine, [None])
        return (TrialOutcome(TrialState.FAILED, error=str(error)),)
    return carry_out(run, should_stop, on_epoch, keeper)


def begin(
    data: TrainingData,
    requests: Sequence[TrialRequest],
    recipe: Recipe,
    engine: Engine,
    states: Sequence[State],
) -> EngineRun:
    """Begin the run of an engine; `states` are those to go on from, one per request.

    Raises:
        GroupingError: if the engine cannot train the requests together.
    """
    if engine is Engine.STACKED:
        return StackedTraining(data, requests, recipe, states)
    if engine is Engine.VMAP:
        return VmappedTraining(data, requests, recipe, states)
    return SingleTraining(data, requests[0], recipe, states[0])
