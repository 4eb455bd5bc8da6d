"""Artefacts: what other trainers have kept of their trainings, such as weights in a folder, as they told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grouping.domain.groupings import Grouping
from grouping.domain.jobs.job import Job
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import PLAIN, Purpose, Trial, TrialState
from grouping.errors import BundleError
from grouping.store import Store

CONTENTS = "grouping.json"
"""File that says what is in the other folders, and which network serves which task."""


@dataclass(frozen=True, slots=True)
class NetworkArtefacts:
    """What trainings of a recommended network have kept.

    Attributes:
        network: the network.
        serves: names of the tasks that it serves.
        trials: full trainings that told of an artefact: those that confirmed it, else those of the search.
    """

    network: Network
    serves: tuple[str, ...]
    trials: tuple[Trial, ...]

    def best(self, weights: Mapping[str, float]) -> Trial | None:
        """Return the training of the least weighted validation loss on what it serves; None without any."""

        def loss(trial: Trial) -> float:
            served = (score for score in trial.scores if score.task in self.serves)
            return sum(weights.get(score.task, 1.0) * score.validation_loss for score in served)

        return min(self.trials, key=loss, default=None)


def artefacts_of(store: Store, job: Job, grouping: Grouping) -> tuple[NetworkArtefacts, ...]:
    """Return what trainings of the networks of a grouping have kept, in the order of the networks."""
    return artefacts_among(kept_trials(store, job), grouping)


def kept_trials(store: Store, job: Job) -> tuple[Trial, ...]:
    """Return the full trainings of a job that told of an artefact, in the order of the plan."""
    done = store.trials(job.id, states={TrialState.SUCCEEDED})
    return tuple(t for t in done if t.artefact and t.fidelity == 1 and t.variant == PLAIN)


def artefacts_among(trials: Sequence[Trial], grouping: Grouping) -> tuple[NetworkArtefacts, ...]:
    """Return what some trainings have kept of each network of a grouping."""
    found = []
    for n, network in enumerate(grouping.networks):
        own = [trial for trial in trials if trial.network.key == network.key]
        confirming = [trial for trial in own if trial.purpose is Purpose.CONFIRMATION]
        found.append(NetworkArtefacts(network, grouping.served_tasks(n), tuple(confirming or own)))
    return tuple(found)


def copy_artefacts(job: Job, grouping: Grouping, artefacts: Sequence[NetworkArtefacts], out: Path) -> None:
    """Copy one artefact of each network to a folder of its own, beside a file that says which it is.

    Of several trainings it is the one with the least validation loss on the tasks that the network serves.

    Args:
        job: the job.
        grouping: what it recommends.
        artefacts: what is kept of each of its networks.
        out: folder, which is new or empty.

    Raises:
        BundleError: if nothing is kept of a network, if it cannot be read, or if the folder is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BundleError(f"{str(out)!r} is there and not empty: choose another folder (--out), or empty it.")
    contents = []
    for number, one in enumerate(artefacts, start=1):
        trial = one.best(job.spec.weights)
        if trial is None:
            raise BundleError(
                f"No training of {one.network.name(grouping.tasks)} told where it keeps what it trained: its "
                f"trainer, {job.spec.trainer}, has to give an artefact."
            )
        folder = f"network-{number}"
        _copy(str(trial.artefact), out / folder)
        contents.append(
            {
                "folder": folder,
                "group": [task for task in grouping.tasks if task in one.network.group],
                "serves": one.serves,
                "size": one.network.size,
                "cost_snt": one.network.cost_snt,
                "seed": trial.seed,
                "artefact": trial.artefact,
                "scores": [asdict(score) for score in trial.scores],
            }
        )
    told = {"job_id": job.id, "trainer": job.spec.trainer, "tasks": grouping.tasks, "networks": contents}
    (out / CONTENTS).write_text(json.dumps(told, indent=1), encoding="utf-8")


def _copy(artefact: str, folder: Path) -> None:
    """Copy a file or a folder, at whatever address, into a folder.

    Raises:
        BundleError: if it cannot be read, or not written.
    """
    from fsspec.core import url_to_fs

    to_file_system: Any = url_to_fs  # fsspec is typed in parts

    folder.mkdir(parents=True)
    try:
        fs, path = to_file_system(artefact)
        if fs.isdir(path):
            fs.get(f"{path.rstrip('/')}/", f"{folder}/", recursive=True)
        else:
            fs.get(path, str(folder / path.rpartition("/")[2]))
    except (OSError, ImportError, ValueError) as error:
        raise BundleError(
            f"The artefact {artefact!r} cannot be copied: {error}. Call it where that can be read."
        ) from error
