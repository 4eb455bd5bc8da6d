"""Routes for workers anywhere: lease a trial, keep the lease, report on it."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from grouping.domain.trainings.trials import TrialState
from grouping.store import Renewal, TrialLease
from grouping.use_cases import lease as use_case
from grouping.wire.leases import (
    CompletionIn,
    FailureIn,
    HeartbeatIn,
    HeartbeatOut,
    LeaseOut,
    LeaseRequest,
    TrialStateOut,
    WaitingOut,
    WaitingRequest,
)
from grouping_api.access import READ, SUBMIT
from grouping_api.dependencies import LeaseDeskDep, ResultDeskDep, StoreDep
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute
from grouping_api.lease_desk import Ask, LeaseDesk

router = APIRouter(prefix="/v1/leases", tags=["leases"], route_class=StrictJsonRoute)

CALLER_LOOK_S = 2.0
"""Seconds between two looks whether a caller that waits is still there."""


@router.post(
    "",
    summary="Lease a training",
    response_model=LeaseOut,
    responses={204: {"description": "There is none now."}, **problem_responses(404, 409, 415, 422, 503)},
    dependencies=[SUBMIT],
)
async def lease_trial(
    asked: LeaseRequest, request: Request, store: StoreDep, desk: LeaseDeskDep
) -> LeaseOut | Response:
    """Lease the next training of a job with the trainer `external`, waiting up to `wait_s` for one.

    An attempt is counted with it. Send heartbeats, then one report: a result, a failure, or that it is given
    back. A worker that is not heard from for `lease_s` has lost the lease, and the training is leased anew.

    An `Idempotency-Key` has no effect here: asking again is asking for another training. The key is the token
    of the answer, by which each report may be repeated. A training whose answer was lost is leased anew after
    `lease_s`, and has lost an attempt.
    """
    wanted = await run_in_threadpool(use_case.wanted, store, asked)
    found = await _answered(desk, desk.ask(wanted, asked.wait_s), request)
    if found is None:
        return Response(status_code=204)
    if await request.is_disconnected():
        await run_in_threadpool(store.give_back_trial, found.token)
        return Response(status_code=204)
    return LeaseOut.read(found, tasks=found.job.spec.tasks)


@router.post(
    "/waiting",
    summary="See what waits for workers",
    responses=problem_responses(404, 409, 415, 422, 503),
    dependencies=[READ],
)
def waiting_trials(asked: WaitingRequest, store: StoreDep) -> WaitingOut:
    """Tell how many trainings wait for workers, and what a worker with these resources lacks for them.

    Nothing is leased. A worker that was given nothing learns here whether nothing waits or nothing fits.
    """
    return use_case.waiting(store, asked)


@router.post(
    "/{token}/heartbeat",
    summary="Keep a lease",
    response_model=HeartbeatOut,
    responses=problem_responses(409, 415, 422, 503),
    dependencies=[SUBMIT],
)
def renew_lease(token: str, told: HeartbeatIn, store: StoreDep) -> Renewal:
    """Extend a lease by its length from now; the answer says whether to end the training."""
    return use_case.heartbeat(store, token, told)


@router.post(
    "/{token}/complete",
    summary="Report the result of a training",
    responses=problem_responses(409, 415, 422, 503),
    dependencies=[SUBMIT],
)
async def complete_trial(token: str, result: CompletionIn, told: ResultDeskDep) -> TrialStateOut:
    """Record losses for every task of the network. The same again is answered as the first time."""
    return _answer(await asyncio.wrap_future(told.submit(use_case.told(token, result))))


@router.post(
    "/{token}/fail",
    summary="Report that a training failed",
    responses=problem_responses(409, 415, 422, 503),
    dependencies=[SUBMIT],
)
def fail_trial(token: str, failure: FailureIn, store: StoreDep) -> TrialStateOut:
    """Record a failure, or plan the training again. The same again is answered as the first time."""
    return _answer(use_case.fail(store, token, failure))


@router.post(
    "/{token}/give-back",
    summary="Give a training back",
    responses=problem_responses(409, 503),
    dependencies=[SUBMIT],
)
def give_back_trial(token: str, store: StoreDep) -> TrialStateOut:
    """Plan the training again without counting this attempt, as when the worker is shut down."""
    return _answer(store.give_back_trial(token))


async def _answered(desk: LeaseDesk, ask: Ask, request: Request) -> TrialLease | None:
    """Wait for the answer until the caller is gone; no thread is held meanwhile."""
    answer = asyncio.wrap_future(ask.answer)
    while not answer.done():
        await asyncio.wait((answer,), timeout=CALLER_LOOK_S)
        if not answer.done() and await request.is_disconnected():
            desk.withdraw(ask)
            break
    return await asyncio.shield(answer)  # the desk answers also one that is cancelled meanwhile


def _answer(state: TrialState) -> TrialStateOut:
    return TrialStateOut(state=state)
