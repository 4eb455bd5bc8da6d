"""Sizes whose inference cost is measured once, by the command that trains, before a search is submitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grouping.domain.jobs.task_definitions import MEASURED
from grouping.errors import InvalidInputError, RetryTrainingError


def are_to_be_measured(request: Mapping[str, Any]) -> bool:
    """Tell whether a request leaves the cost of a size to be measured."""
    return any(size.get("cost") == MEASURED for size in request.get("sizes") or ())


def with_nominal_costs(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request in which such sizes cost what their width says, as for an estimate."""
    _check(request)
    return _with_costs(request, lambda place: float(request["sizes"][place]["width"]))


def with_measured_costs(
    request: Mapping[str, Any], command: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Return a request with the cost of each such size as measured.

    The command trains the first task for one epoch at the full size, and at each size to be measured. The
    cost is what it reports as ``cost_snt`` over what it reports for the full size.

    Args:
        request: fields of the request, with sizes.
        command: the command, with placeholders.
        say: takes a sentence about each size, for people.

    Raises:
        InvalidInputError: if the command fails or reports no cost; points at the size.
    """
    _check(request)
    sizes = request["sizes"]
    full = _reported(request, 0, command)

    def measured(place: int) -> float:
        cost = _reported(request, place, command) / full
        say(f"Measured: {sizes[place]['name']} costs {cost:.4g} of {sizes[0]['name']}.")
        return cost

    return _with_costs(request, measured)


def _check(request: Mapping[str, Any]) -> None:
    for place, size in enumerate(request["sizes"]):
        if size.get("cost") == MEASURED and (place == 0 or not size.get("width")):
            raise InvalidInputError(
                "The first size is the full size: its cost is 1."
                if place == 0
                else f"The cost of {size.get('name')!r} is to be measured: give it a width.",
                pointer=f"/sizes/{place}/cost",
            )
    if not isinstance(request.get("tasks"), list) or not request["tasks"]:
        raise InvalidInputError("Costs of sizes are measured with the first task: name the tasks.")


def _with_costs(request: Mapping[str, Any], cost_of: Callable[[int], float]) -> dict[str, Any]:
    sizes = [
        {**size, "cost": cost_of(place)} if size.get("cost") == MEASURED else size
        for place, size in enumerate(request["sizes"])
    ]
    return {**request, "sizes": sizes}


def _reported(request: Mapping[str, Any], place: int, command: Sequence[str]) -> float:
    """Return the cost that the command reports for a size, in whatever unit."""
    from grouping.cli.worker import own_command_of, parameters_of
    from grouping.domain.networks import Network
    from grouping.domain.trainings.trials import TrialRequest
    from grouping.trainers import NoReports
    from grouping.trainers.command_process import run_command

    size = request["sizes"][place]
    parameters = dict((request.get("trainer") or {}).get("parameters") or {})
    epochs = int(request.get("epochs") or parameters.get("epochs") or 1)
    number = 1.0 if place == 0 else float(size["width"])
    first = request["tasks"][0]
    task = first if isinstance(first, str) else first["name"]
    network = Network(frozenset({task}), number, number)
    asked = TrialRequest(network, int(request.get("seed", 0)) * 1000, 1 / epochs)
    pointer = f"/sizes/{place}/cost"
    try:
        outcome = run_command(
            own_command_of(command),
            asked,
            NoReports(),
            parameters=parameters_of(parameters),
            deadline_s=request.get("deadline_s"),
            size_name=size["name"],
        )
        error = outcome.error
    except RetryTrainingError as again:
        outcome, error = None, str(again)
    if outcome is None or error is not None:
        raise InvalidInputError(f"The cost of {size['name']!r} was not measured: {error}", pointer=pointer)
    if not outcome.cost_snt:
        raise InvalidInputError(
            f"The cost of {size['name']!r} was not measured: the result of the command has no cost_snt.",
            pointer=pointer,
        )
    return outcome.cost_snt
