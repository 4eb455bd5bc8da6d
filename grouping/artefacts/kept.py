"""Kept networks: the weights of the networks of recommended groupings, with what they scored.

Each finished grouping has a folder of its own::

    <job>/<grouping>/finished.json          networks, seeds, scores, and the digests of the weights
    <job>/<grouping>/<digest>.safetensors   the weights of one network, whose SHA-256 is the name
    <job>/<grouping>/bundle/                a bundle of them, to be taken home

Files never change. What names the others is written last and removed first, so whoever lists meanwhile finds
a whole grouping or none. Nothing is a pickle: who may write here can run no code where it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from grouping.artefacts.address import Address
from grouping.domain.fields import from_plain
from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TaskScore
from grouping.errors import BundleError

KEPT_VARIABLE = "GROUPING_KEPT"
"""Environment variable with the address of the kept networks."""
MANIFEST = "manifest.json"
"""What a folder has once it holds a whole bundle."""
_NAMING = "finished.json"
_BUNDLE = "bundle"


class LearnedRows(StrEnum):
    """Rows that a final training learns from."""

    TRAIN = "train"
    """Those of the search: losses may be compared with the table of the job."""
    TRAIN_AND_VALIDATION = "train+validation"
    """Those and the validation rows, once all choices are made; the test rows stay untouched."""


@dataclass(frozen=True, slots=True)
class KeptNetwork:
    """A trained network.

    Attributes:
        group: names of the tasks that it was trained on, in the order of its heads.
        size: its size; 1 is full size.
        cost_snt: inference cost in SNT.
        seed: seed of the training.
        sha256: digest of the file of its weights, which is its name.
        n_bytes: size of that file.
        widths: widths of its stages.
        scores: what it scored, a score per task of the group.
        is_compared: whether the job has a training with the same seed, to compare with.
        differs: what differs from that one, in words; nothing where all is equal to the last bit.
    """

    group: tuple[str, ...]
    size: float
    cost_snt: float
    seed: int
    sha256: str
    n_bytes: int
    widths: tuple[int, ...]
    scores: tuple[TaskScore, ...]
    is_compared: bool = False
    differs: tuple[str, ...] = ()

    @property
    def network(self) -> Network:
        """What was trained."""
        return Network(frozenset(self.group), self.size, self.cost_snt)

    def score(self, task: str) -> TaskScore:
        """Return the score of one of its tasks."""
        return next(score for score in self.scores if score.task == task)


@dataclass(frozen=True, slots=True)
class FinishedGrouping:
    """The networks of a grouping, trained to be kept.

    Attributes:
        job_id: the job that recommended it.
        budget_snt: the inference budget that it was recommended for.
        rows: rows that were learned from.
        tasks: names of the tasks, in display order.
        serving: for each task the position of the network that serves it, among the networks of the grouping
            in canonical order.
        kept: the trained networks, those of one network together, in the order of the seeds.
        data_digest: digest of the data.
        versions: versions of libraries, and the arithmetic, of the trainings.
        created_at: time in ISO 8601.
    """

    job_id: str
    budget_snt: float
    rows: LearnedRows
    tasks: tuple[str, ...]
    serving: tuple[int, ...]
    kept: tuple[KeptNetwork, ...]
    data_digest: str
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def grouping(self) -> Grouping:
        """The grouping, which tells the networks and who serves what."""
        networks = tuple(dict.fromkeys(one.network for one in self.kept))
        return Grouping(self.tasks, networks, self.serving)

    @property
    def n_bytes(self) -> int:
        """Size of all weights."""
        return sum(one.n_bytes for one in self.kept)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings."""
        return tuple(dict.fromkeys(one.seed for one in self.kept))

    def of_network(self, n: int) -> tuple[KeptNetwork, ...]:
        """Return the trainings of one network of the grouping."""
        wanted = self.grouping.networks[n]
        return tuple(one for one in self.kept if one.network == wanted)

    def is_of(self, grouping: Grouping, rows: LearnedRows) -> bool:
        """Tell whether these are the networks of a grouping, trained on such rows."""
        return self.grouping == grouping and self.rows is rows


class KeptNetworks:
    """The kept networks at one address.

    Args:
        address: a path, or a URL such as ``s3://bucket/kept``.
    """

    def __init__(self, address: str) -> None:
        self._files = Address(address)
        self.address = address

    def add(self, finished: FinishedGrouping, weights: Sequence[bytes]) -> None:
        """Keep a finished grouping; what was kept of the same grouping and rows before is replaced.

        Args:
            finished: what is kept.
            weights: the file of each of its trained networks, in order.

        Raises:
            BundleError: if they cannot be written.
        """
        folder = _folder_of(finished)
        self._files.remove(f"{folder}/{_BUNDLE}")
        for one, content in zip(finished.kept, weights, strict=True):
            self._files.write(f"{folder}/{one.sha256}.safetensors", content)
        self._files.write(f"{folder}/{_NAMING}", json.dumps(asdict(finished)).encode())
        named = {_NAMING, *(f"{one.sha256}.safetensors" for one in finished.kept)}
        for left in set(self._files.names(folder)) - named:
            self._files.remove(f"{folder}/{left}")

    def list(self, job_id: str | None = None) -> tuple[FinishedGrouping, ...]:
        """List what is kept, of one job or of all, the newest first."""
        found = [one for job in self._jobs(job_id) for one in self._of_job(job)]
        return tuple(
            sorted(found, key=lambda one: (one.created_at, one.job_id, one.budget_snt), reverse=True)
        )

    def find(self, job_id: str, grouping: Grouping, rows: LearnedRows) -> FinishedGrouping | None:
        """Return the kept networks of a grouping, the newest; None if there are none."""
        return next((one for one in self.list(job_id) if one.is_of(grouping, rows)), None)

    def bundle_address(self, finished: FinishedGrouping) -> str:
        """Return the address of the bundle of a finished grouping, whether or not it is there."""
        return f"{self.address.rstrip('/')}/{_folder_of(finished)}/{_BUNDLE}"

    def bundle_files(self, finished: FinishedGrouping) -> tuple[str, ...]:
        """Return the names of the files of its bundle; none where there is no whole one."""
        names = self._files.names(f"{_folder_of(finished)}/{_BUNDLE}")
        return tuple(n for n in names if not n.endswith(".partial")) if MANIFEST in names else ()

    def weights(self, finished: FinishedGrouping, one: KeptNetwork) -> bytes:
        """Read the weights of a network.

        Raises:
            BundleError: if they are gone, or not what was kept.
        """
        content = self._files.read(f"{_folder_of(finished)}/{one.sha256}.safetensors")
        if content is None or hashlib.sha256(content).hexdigest() != one.sha256:
            state = "are gone" if content is None else "were changed"
            raise BundleError(
                f"The weights of {one.network.name(finished.tasks)} with seed {one.seed} in {self.address!r} "
                f"{state}: train them again with grouping finish {finished.job_id} --again."
            )
        return content

    def remove(self, finished: FinishedGrouping) -> None:
        """Remove a finished grouping with its weights."""
        folder = _folder_of(finished)
        self._files.remove(f"{folder}/{_NAMING}")
        self._files.remove(folder)

    def _jobs(self, job_id: str | None) -> tuple[str, ...]:
        return self._files.names() if job_id is None else (job_id,)

    def _of_job(self, job_id: str) -> Iterator[FinishedGrouping]:
        for name in self._files.names(job_id):
            content = self._files.read(f"{job_id}/{name}/{_NAMING}")
            if content is not None:
                yield _read(content, f"{self.address}/{job_id}/{name}")


def _folder_of(finished: FinishedGrouping) -> str:
    grouping = finished.grouping
    named = [[sorted(network.group), network.size] for network in grouping.networks]
    text = json.dumps([named, finished.serving, finished.rows], sort_keys=True)
    return f"{finished.job_id}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _read(content: bytes, where: str) -> FinishedGrouping:
    try:
        data: dict[str, Any] = json.loads(content)
        return from_plain(FinishedGrouping, data)
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"What is kept in {where!r} is damaged: remove that folder.") from error
