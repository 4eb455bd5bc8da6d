"""Checkpoints on disk: states of unfinished trainings, so that a killed training goes on.

One safetensors file per network, named by a digest of all that decides its floats: data, tasks, recipe,
group, size and seed, and the program that trains. It carries a SHA-256 of its content and is verified when it
is read: a file that is damaged, or belongs to something else, is logged and left alone, and the training
starts anew. The folder only saves time: it may be emptied at any time. The format is safetensors and not
pickle, so that write access to a shared folder is no way to run code.

A training at a higher fidelity goes on from where one at a lower fidelity ended, since a short pass follows
the start of the same schedule. Trainings that measure affinities count their steps and go on only from
themselves.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import CHECKPOINT_SUFFIX, TrialOutcome, TrialRequest
from grouping.recipes import complete

logger = logging.getLogger(__name__)

INTERVAL_S = 30.0
"""Seconds between two checkpoints of a training."""
_FORMAT = "mtl-grouping checkpoint 1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a training that can be continued.

    Attributes:
        state: state from `grouping.training.loop.Training.state_dict`.
        epoch: epochs carried out, those that prepared the network included.
        n_epochs: epochs after which the training that wrote it ends, without those that prepare it.
        first_epoch: epochs that an earlier training of another fidelity carried out and accounts for.
    """

    state: Mapping[str, Tensor]
    epoch: int
    n_epochs: int
    first_epoch: int = 0

    @property
    def trained(self) -> int:
        """Epochs carried out, without those that prepared the network."""
        return int(self.state["epoch"])


class CheckpointFolder:
    """The checkpoints of one job's trainings on one data set under one recipe.

    Several processes may use one folder; each file is replaced as a whole.

    Args:
        folder: path of the folder; made when the first checkpoint is written.
        data_digest: identifies the data set.
        tasks: the tasks of the data, in order.
        recipe: recipe of the trainings.
    """

    def __init__(self, folder: Path, data_digest: str, tasks: Sequence[Task], recipe: Recipe) -> None:
        self._folder = folder
        self._recipe = recipe
        self._common = {
            "format": _FORMAT,
            "torch": torch.__version__,
            "data": data_digest,
            "tasks": [task.as_mapping() | {"reads": task.reads} for task in tasks],
            "recipe": complete(recipe).identity(),
        }

    def path(self, request: TrialRequest) -> Path:
        """Return the path of a training's checkpoint, whether or not it exists."""
        return self._folder / f"{self._key(request)}{CHECKPOINT_SUFFIX}"

    def read(self, request: TrialRequest) -> Checkpoint | None:
        """Read the checkpoint that a training can go on from; None if there is none to be trusted."""
        path = self.path(request)
        try:
            checkpoint = _read(path, self._key(request))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            logger.warning("The checkpoint %s cannot be used and is ignored: %s", path, error)
            return None
        return checkpoint if checkpoint.trained <= self._recipe.epochs_at(request.fidelity) else None

    def write(self, request: TrialRequest, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of a training; if writing fails, the one before stays.

        A failure is logged and the training goes on.
        """
        try:
            _write(self.path(request), self._key(request), checkpoint)
        except OSError as error:
            logger.warning("No checkpoint of %s could be written: %s", request.network, error)

    def remove(self, request: TrialRequest) -> None:
        """Remove the checkpoint of a training, if there is one."""
        try:
            self.path(request).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The checkpoint of %s could not be removed: %s", request.network, error)

    def _key(self, request: TrialRequest) -> str:
        network = request.network
        own: dict[str, object] = {"group": sorted(network.group), "size": network.size, "seed": request.seed}
        if request.measures_affinity:
            own["measured_epochs"] = self._recipe.epochs_at(request.fidelity)
        text = json.dumps(self._common | own, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


class CheckpointKeeper:
    """Saves the trainings of one engine call at intervals, and returns states saved before.

    Fidelity is the same for all of them, or else some are saved more often than need be.

    Args:
        folder: folder to save to.
        requests: the trainings.
        recipe: recipe that decides how many epochs each takes.
        interval_s: seconds between two savings.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        requests: Sequence[TrialRequest],
        recipe: Recipe,
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._recipe = recipe
        self._ends = {recipe.epochs_at(r.fidelity) for r in requests if r.fidelity < 1}
        self._interval_s = interval_s
        self._clock = clock
        self._saved_at = clock()
        self._first: dict[TrialRequest, int] = {}
        self._discarded: set[TrialRequest] = set()

    def load(self, request: TrialRequest) -> Mapping[str, Tensor] | None:
        """Return the state to go on from; None to start anew."""
        self._first.pop(request, None)
        checkpoint = None if request in self._discarded else self._folder.read(request)
        if checkpoint is None:
            return None
        is_own = checkpoint.n_epochs == self._recipe.epochs_at(request.fidelity)
        has_ended = checkpoint.trained >= checkpoint.n_epochs
        # What a training of another fidelity has carried out and told counts there, not here.
        self._first[request] = checkpoint.epoch if has_ended and not is_own else checkpoint.first_epoch
        return checkpoint.state

    def is_due(self, epoch: int) -> bool:
        """Return whether to save now: at the end of a short pass, and when the interval is over."""
        now = self._clock()
        if epoch not in self._ends and now - self._saved_at < self._interval_s:
            return False
        self._saved_at = now
        return True

    def save(self, request: TrialRequest, state: Mapping[str, Tensor], epoch: int) -> None:
        """Write the state of a training."""
        n_epochs = self._recipe.epochs_at(request.fidelity)
        first = self._first.get(request, 0)
        self._folder.write(request, Checkpoint(state, epoch, n_epochs, first))

    def ended(self, request: TrialRequest, weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Keep nothing of a training that has ended."""

    def discard(self, request: TrialRequest) -> bool:
        """Remove the checkpoint that a training was continued from; return whether there was one."""
        if self._first.pop(request, None) is None:
            return False
        self._discarded.add(request)
        self._folder.remove(request)
        return True

    def with_own_epochs(self, request: TrialRequest, outcome: TrialOutcome) -> TrialOutcome:
        """Return the outcome with the epochs of this training alone, killed attempts included."""
        return replace(outcome, epochs=max(0, outcome.epochs - self._first.get(request, 0)))


def _write(path: Path, key: str, checkpoint: Checkpoint) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.state.items()}
    numbers = {name: str(getattr(checkpoint, name)) for name in ("epoch", "n_epochs", "first_epoch")}
    metadata = {"format": _FORMAT, "key": key, **numbers}
    content = save(tensors, metadata | {"sha256": _digest(metadata, tensors)})
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not read by anybody until it is whole and on the disk: then it takes the place of the one before.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _read(path: Path, key: str) -> Checkpoint:
    """Read a checkpoint and verify it.

    Raises:
        FileNotFoundError: if there is none.
        OSError, SafetensorError, ValueError, KeyError: if it cannot be read, or not be trusted.
    """
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    digest = metadata.pop("sha256", "")
    if metadata.get("format") != _FORMAT or metadata.get("key") != key:
        raise ValueError("it belongs to something else")
    if digest != _digest(metadata, tensors):
        raise ValueError("its content is not what was written")
    numbers = (int(metadata[name]) for name in ("epoch", "n_epochs", "first_epoch"))
    checkpoint = Checkpoint(tensors, *numbers)
    if checkpoint.trained > checkpoint.epoch:
        raise ValueError("its numbers of epochs contradict each other")
    return checkpoint


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of names, shapes and bytes."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
