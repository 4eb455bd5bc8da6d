"""Calls in processes of their own: their values and errors, and that they end when they must."""

from __future__ import annotations

import math
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from grouping.computing.messages import Call, Raised
from grouping.computing.processes import CallFailedError, Processes
from grouping.errors import BudgetTooSmallError, DeadlineExceededError, InvalidInputError, SolverError
from grouping.guarded_process import NICENESS
from grouping.solver import CurvePoint, solve
from grouping.use_cases.stepwise_curve import curve_steps
from grouping.work import GivenUpError, Work
from tests.patience import wait_for
from tests.tables import random_table

MEMORY = 2 << 30


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    made = Processes("grouping.solver")
    yield made
    made.close()


def call(
    processes: Processes, function: Callable[..., Any], *arguments: Any, work: Work | None = None
) -> Any:
    made = Call(function, arguments, {}, MEMORY, 600)
    return processes.call(made, work or Work(600), grace_s=0)


def fork_server(processes: Processes) -> psutil.Process:
    assert processes._server is not None
    return psutil.Process(processes._server.pid)


def no_process_is_left(processes: Processes) -> bool:
    return not [p for p in fork_server(processes).children() if p.status() != psutil.STATUS_ZOMBIE]


def test_a_call_gives_what_the_function_gives_here(processes: Processes) -> None:
    table = random_table(1)
    assert call(processes, solve, table, 2.0) == solve(table, 2.0)


def test_it_is_another_process_that_yields_to_this_one(processes: Processes) -> None:
    assert call(processes, os.getpid) not in (os.getpid(), call(processes, os.getpid))
    assert call(processes, os.nice, 0) == os.nice(0) + NICENESS


def test_errors_raised_on_purpose_arrive_with_all_they_say(processes: Processes) -> None:
    with pytest.raises(InvalidInputError, match="positive number of SNT") as raised:
        call(processes, solve, random_table(1), -1.0)
    assert raised.value.pointer == "/budget_snt"
    small = BudgetTooSmallError(1.0, 2.0)
    again = pickle.loads(pickle.dumps(Raised.of(small))).error()
    assert (type(again), str(again), vars(again)) == (BudgetTooSmallError, str(small), vars(small))


def test_a_mistake_is_logged_with_its_trace_and_raised(
    processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(CallFailedError):
        call(processes, math.sqrt, -1.0)
    assert "ValueError" in caplog.text


def test_too_much_memory_ends_the_call_alone(processes: Processes) -> None:
    with pytest.raises(SolverError, match="more memory"):
        call(processes, np.ones, (1 << 30,))
    assert call(processes, math.sqrt, 4.0) == 2.0


def test_items_come_as_they_are_made_and_their_process_ends_with_the_reader(processes: Processes) -> None:
    items = points(processes, 10_000)
    first = [next(items), next(items)]
    assert not no_process_is_left(processes)
    items.close()  # type: ignore[attr-defined]
    wait_for(lambda: no_process_is_left(processes), "the end of the process")
    assert [point.solution for point in first] == [point.solution for point in points(processes, 2)]


def points(processes: Processes, n_budgets: int) -> Iterator[CurvePoint]:
    """Points of a curve, solved as they are read."""
    budgets = [1.0 + number / 1000 for number in range(n_budgets)]
    made = Call(curve_steps, (random_table(1), {}, budgets, None, 600.0), {}, MEMORY, 600)
    return processes.each(made, Work(600), grace_s=0)


def test_work_that_is_given_up_ends_its_process(processes: Processes) -> None:
    work = Work(600)

    def give_up() -> None:
        wait_for(lambda: not no_process_is_left(processes), "the start of the process")
        work.give_up()

    giving_up = threading.Thread(target=give_up)
    giving_up.start()
    with pytest.raises(GivenUpError):
        call(processes, time.sleep, 600, work=work)
    giving_up.join()
    wait_for(lambda: no_process_is_left(processes), "the end of the process")
    with pytest.raises(GivenUpError):  # and begins no other
        call(processes, math.sqrt, 4.0, work=work)


def test_a_call_that_does_not_end_in_time_is_ended(processes: Processes) -> None:
    with pytest.raises(DeadlineExceededError, match=r"within 0\.1 s"):
        call(processes, time.sleep, 600, work=Work(0.1))
    wait_for(lambda: no_process_is_left(processes), "the end of the process")


def test_a_process_that_dies_is_an_error_and_the_next_one_lives(processes: Processes) -> None:
    with pytest.raises(SolverError, match="ended"):
        call(processes, os._exit, 3)
    assert call(processes, math.sqrt, 4.0) == 2.0


def test_what_makes_the_processes_is_started_again_when_it_was_killed(processes: Processes) -> None:
    first = fork_server(processes)
    first.kill()
    assert call(processes, math.sqrt, 4.0) == 2.0
    assert fork_server(processes).pid != first.pid


def test_processes_end_with_what_made_them() -> None:
    made = Processes()
    items = points(made, 10_000)
    next(items)
    ours = fork_server(made)
    (child,) = ours.children()
    made.close()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the end of the child")
    assert not ours.is_running()
    items.close()  # type: ignore[attr-defined]
