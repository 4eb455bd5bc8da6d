"""Manifest of a bundle: everything but the weights, as plain data in one JSON file.

It names each file of weights with its SHA-256, and carries a digest of itself. They tell damage; they are no
signature, and tell nothing of who made the bundle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from grouping.bundle.inputs import Inputs
from grouping.domain.fields import check_types, from_plain
from grouping.domain.tasks import Task, TaskKind
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TaskScore
from grouping.errors import BundleError, GroupingError
from grouping.recipes.losses import Constants

FORMAT = "mtl-grouping bundle"
VERSION = 1
"""Version of the format, which grows with every change that an older loader would not understand."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of a number over training seeds, with an interval.

    Attributes:
        mean: mean over the seeds.
        low, high: interval of 95 % of the mean by Student's t; None with a single seed.
        n_seeds: number of seeds.
    """

    mean: float
    low: float | None
    high: float | None
    n_seeds: int


@dataclass(frozen=True, slots=True)
class BundledTask:
    """A task that a bundle answers.

    Attributes:
        task: the task.
        network: position of the network that serves it.
        constants: constants by which raw outputs become predictions in its own units.
        score: what the network of the bundle scored.
        test_losses: its normalised test loss over the training seeds, lower is better; None if not measured.
        test_metrics: its metric on the test rows over the training seeds; None if not measured.
        labels: texts of the classes by their number, or of no and yes; empty where the data have none.
        columns: names of its outputs, where it has several and they are columns of a table.
    """

    task: Task
    network: int
    constants: Constants
    score: TaskScore
    test_losses: Spread | None = None
    test_metrics: Spread | None = None
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def as_mapping(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        plain = {name: getattr(self, name) for name in ("network", "labels", "columns")}
        nested = {name: getattr(self, name) for name in ("score", "test_losses", "test_metrics")}
        constants = {one.name: _plain(getattr(self.constants, one.name)) for one in fields(Constants)}
        said = {name: None if value is None else asdict(value) for name, value in nested.items()}
        return {"task": self.task.as_mapping(), **plain, "constants": constants, **said}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> BundledTask:
        """Invert `as_mapping`."""
        constants = {name: _array(value) for name, value in data["constants"].items()}
        spreads = {name: _spread(data.get(name)) for name in ("test_losses", "test_metrics")}
        return cls(
            Task.from_mapping(data["task"]),
            int(data["network"]),
            Constants(**constants),
            TaskScore(**data["score"]),
            labels=tuple(data["labels"]),
            columns=tuple(data["columns"]),
            **spreads,
        )


@dataclass(frozen=True, slots=True)
class BundledNetwork:
    """A network of a bundle.

    Attributes:
        name: its name: its tasks, and its size unless it is full.
        group: the tasks that it was trained on, in the order of its heads.
        serves: those that it answers in this bundle.
        size: its size; 1 is full size.
        cost_snt: inference cost in SNT.
        seed: seed of the training.
        widths: widths of its stages.
        file: name of the file of its weights.
        sha256: digest of that file.
        left_out: names of weights that nothing in this bundle depends on, and that are not in the file.
    """

    name: str
    group: tuple[str, ...]
    serves: tuple[str, ...]
    size: float
    cost_snt: float
    seed: int
    widths: tuple[int, ...]
    file: str
    sha256: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a bundle is, but for its weights.

    Attributes:
        title: what it predicts, in a line.
        job_id: job whose recommendation it is.
        budget_snt: the inference budget.
        verdict: what fresh seeds say of the grouping, in words; empty if nothing was confirmed.
        rows: rows that the networks learned from: ``train`` or ``train+validation``.
        inputs: what it reads.
        tasks: what it answers, in display order.
        networks: its networks.
        recipe: recipe by which they are built, and were trained.
        data_digest: digest of the data that they were trained on.
        seeds: all seeds that were trained; each network is that of one of them.
        versions: versions of libraries, and the arithmetic, of the trainings.
        created_at: time in ISO 8601.
        licence: what is known of the licence of the data and the weights.
        is_exact: whether the bundle gave the test losses of its networks to the last bit where it was made.
    """

    title: str
    job_id: str
    budget_snt: float
    verdict: str
    rows: str
    inputs: Inputs
    tasks: tuple[BundledTask, ...]
    networks: tuple[BundledNetwork, ...]
    recipe: Recipe
    data_digest: str
    seeds: tuple[int, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: str = ""
    licence: str = ""
    is_exact: bool = False

    def to_json(self) -> bytes:
        """Return the content of the file, with its digest."""
        data: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        data |= {one.name: getattr(self, one.name) for one in fields(self)}
        data["inputs"] = self.inputs.as_mapping()
        data["tasks"] = [task.as_mapping() for task in self.tasks]
        data["networks"] = [asdict(network) for network in self.networks]
        data["recipe"] = asdict(self.recipe)
        return json.dumps({**data, "sha256": _digest(data)}, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read the file and verify it.

        Raises:
            BundleError: if it is damaged, was changed, or was made by a later version.
        """
        try:
            data: dict[str, Any] = json.loads(content)
            said, version = data.get("format"), data.get("version")
        except (ValueError, AttributeError, RecursionError) as error:
            raise BundleError(
                f"The manifest of the bundle is no JSON ({error}): copy the bundle anew."
            ) from error
        if said != FORMAT:
            raise BundleError(f"This is no manifest of a bundle: its format is {str(said)[:50]!r}.")
        if type(version) is not int or version < 1:
            raise BundleError(
                f"The manifest of the bundle has no version of the format: {str(version)[:50]!r}."
            )
        if version > VERSION:
            raise BundleError(
                f"The bundle has version {version} of the format, and {VERSION} is understood here: install "
                "a newer mtl-grouping."
            )
        digest = data.pop("sha256", None)
        if digest != _digest(data):
            raise BundleError("The manifest of the bundle was changed: its digest is another one.")
        try:
            made = cls._from_mapping(data)
            check_types(made)
            made._check()
            return made
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, GroupingError) as error:
            raise BundleError(f"The manifest of the bundle cannot be understood: {error}") from error

    @classmethod
    def _from_mapping(cls, data: Mapping[str, Any]) -> Manifest:
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        made = known | {
            "inputs": Inputs.from_mapping(data["inputs"]),
            "tasks": tuple(map(BundledTask.from_mapping, data["tasks"])),
            "networks": tuple(from_plain(BundledNetwork, network) for network in data["networks"]),
            "recipe": Recipe.from_mapping(data["recipe"]),
            "seeds": tuple(data["seeds"]),
        }
        return cls(**made)

    def _check(self) -> None:
        """Check that tasks, networks and labels fit each other.

        Raises:
            ValueError: if they do not.
        """
        served = [(name, n) for n, network in enumerate(self.networks) for name in network.serves]
        if sorted(served) != sorted((bundled.task.name, bundled.network) for bundled in self.tasks):
            raise ValueError("it does not name one network for each task")
        if self.inputs.n_features < 1 or any(min(network.widths, default=0) < 1 for network in self.networks):
            raise ValueError("inputs and stages have a width of 1 or more")
        for bundled in self.tasks:
            task = bundled.task
            n_labels = 2 if task.kind is TaskKind.BINARY else task.n_outputs
            if task.n_outputs < 1 or (bundled.labels and len(bundled.labels) != n_labels):
                raise ValueError(f"the task {task.name!r} has other classes than outputs")


def _digest(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _array(value: Any) -> Any:
    return np.array(value, dtype=np.float64) if isinstance(value, list) else value


def _spread(data: Mapping[str, Any] | None) -> Spread | None:
    return None if data is None else Spread(**data)
