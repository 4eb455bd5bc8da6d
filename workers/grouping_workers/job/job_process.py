"""The process that works on jobs, one after another, for a dispatcher.

It holds nothing that cannot be made again: whatever kills it, a strategy, a plug-in or a dead Ray, the
dispatcher starts another one, which goes on from the database. It ends when the dispatcher does.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import signal
import threading
from contextlib import ExitStack
from multiprocessing.connection import Connection
from types import FrameType

from grouping.domain.jobs.job import JobState
from grouping.errors import GroupingError, StaleLeaseError, StoreUnavailableError, WorkerLostError
from grouping.scratch import scratch_folder
from grouping.store import Claim, Store, open_store
from grouping.trainers import DEFAULT_TRAINER, get_trainer, trainer_class
from grouping_workers.dispatch.messages import (
    Activity,
    Begin,
    Finished,
    GiveBack,
    Instruction,
    Join,
    ProcessEnded,
    ShareTold,
)
from grouping_workers.dispatch.reach import refuse_unreachable
from grouping_workers.job.control import Control
from grouping_workers.job.elsewhere import ElsewhereExecutor
from grouping_workers.job.executor import JobExecutor
from grouping_workers.job.job_run import JobRun
from grouping_workers.settings import RaySettings

logger = logging.getLogger(__name__)

ORPHAN_S = 10.0
"""Seconds after the end of the dispatcher in which the process should end by itself."""


def run_jobs(pipe: Connection, database_url: str, settings: RaySettings) -> None:
    """Work on the jobs that come through the pipe until its other end closes.

    Args:
        pipe: one end of the pipe to the dispatcher.
        database_url: the database; see `grouping.store.open_store`.
        settings: the cluster, and what its workers may use.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s job: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the dispatcher's to handle
    signal.signal(signal.SIGTERM, _exit_on_signal)
    control = Control(tell=pipe.send)
    instructions: queue.SimpleQueue[Instruction | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(pipe, instructions, control), daemon=True).start()
    # What trains takes seconds to import, and Ray, which is only waited for, as long to join.
    threading.Thread(target=_import_what_trains, daemon=True).start()
    process = _JobProcess(pipe, open_store(database_url), settings, control)
    try:
        control.working(Activity.STARTING)
        process.run(instructions)
    except BrokenPipeError:
        pass  # the dispatcher is gone
    except Exception as error:
        with contextlib.suppress(OSError):
            known = isinstance(error, (WorkerLostError, ConnectionError))
            pipe.send(ProcessEnded(str(error) if known else f"{type(error).__name__}: {error}"))
        raise
    finally:
        process.close()


class _JobProcess:
    def __init__(self, pipe: Connection, store: Store, settings: RaySettings, control: Control) -> None:
        self._pipe = pipe
        self._store = store
        self._settings = settings
        self._control = control
        self._open = ExitStack()
        self._folder = self._open.enter_context(scratch_folder("grouping-job-"))
        self._on_ray: JobExecutor | None = None

    def run(self, instructions: queue.SimpleQueue[Instruction | None]) -> None:
        held: Begin | None = None
        while (instruction := instructions.get()) is not None:
            if isinstance(instruction, Join):
                self._join(instruction)
                self._control.working(Activity.IDLE)
                instruction, held = held, None
            if isinstance(instruction, Begin):
                if self._on_ray is None and not _trains_elsewhere(instruction.claim):
                    held = instruction  # until Ray is there
                else:
                    self._control.working(Activity.STARTING)
                    self._pipe.send(self._work_on(instruction.claim))

    def close(self) -> None:
        self._store.close()
        if self._on_ray is not None:
            import ray

            ray.shutdown()
        self._open.close()

    def _join(self, cluster: Join) -> None:
        from grouping_workers.on_ray.cluster import connect
        from grouping_workers.on_ray.ray_executor import RayExecutor

        refuse_unreachable(cluster.address)
        connect(cluster.address, None, str(self._folder))
        executor = RayExecutor(self._settings, self._control)
        executor.warm_up()
        self._on_ray = executor

    def _executor_of(self, claim: Claim) -> JobExecutor:
        if _trains_elsewhere(claim):
            return ElsewhereExecutor()
        if self._on_ray is None:
            raise AssertionError("The dispatcher has the process join Ray before such a job.")
        return self._on_ray

    def _work_on(self, claim: Claim) -> Finished:
        job = claim.job
        try:
            if job.state is JobState.CANCELLING:
                self._store.enter_state(claim, JobState.CANCELLED)
                return Finished()
            JobRun(
                self._store,
                claim,
                self._executor_of(claim),
                self._control,
                operator=self._settings.trainer_settings,
                checkpoints=self._settings.checkpoints,
            ).run()
        except StaleLeaseError as error:
            logger.warning("Lost the lease of job %s; another dispatcher has it: %s", job.id, error)
        except StoreUnavailableError as error:
            logger.warning("The database does not answer: %s", error)
            return Finished(is_unavailable=True)
        except WorkerLostError:
            raise
        except GroupingError as error:
            if self._control.is_orphaned:
                raise
            logger.warning("Job %s failed: %s", job.id, error)
            return self._fail(claim, str(error))
        except Exception:
            if self._control.is_orphaned:  # its Ray may be gone with its dispatcher
                raise
            logger.exception("Job %s failed on a defect", job.id)
            return self._fail(claim, "An internal error; the dispatcher's log has the details.")
        return Finished()

    def _fail(self, claim: Claim, reason: str) -> Finished:
        try:
            self._store.enter_state(claim, JobState.FAILED, error=reason)
        except StaleLeaseError:
            logger.warning("Another dispatcher has job %s", claim.job.id)
        except StoreUnavailableError:
            return Finished(is_unavailable=True)
        return Finished()


def _trains_elsewhere(claim: Claim) -> bool:
    return trainer_class(claim.job.spec.trainer).trains_elsewhere


def _import_what_trains() -> None:
    importlib.import_module("grouping_workers.on_ray.ray_executor")
    importlib.import_module("grouping_workers.on_ray.actors")
    get_trainer(DEFAULT_TRAINER).warm_up()


def _exit_on_signal(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def _read(pipe: Connection, instructions: queue.SimpleQueue[Instruction | None], control: Control) -> None:
    """Move instructions into the queue; at the end of the pipe ask the job to stop, then insist."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            instruction = pipe.recv()
            if isinstance(instruction, GiveBack):
                control.stop.set()
            elif isinstance(instruction, ShareTold):
                control.share = instruction.share
            elif isinstance(instruction, Begin):
                control.begin_job(is_on_ray=not _trains_elsewhere(instruction.claim))
                instructions.put(instruction)
            else:
                instructions.put(instruction)
    threading.Timer(ORPHAN_S, os._exit, args=(1,)).start()
    instructions.put(None)
    control.orphaned()
