"""Writing a bundle: of each network one training is chosen, and what serves is written and then checked."""

from __future__ import annotations

import hashlib
import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save
from torch import Tensor

from grouping.artefacts.address import Address
from grouping.artefacts.kept import MANIFEST, FinishedGrouping, KeptNetwork, KeptNetworks, LearnedRows
from grouping.bundle.card import CARD, PICTURE, model_card, picture
from grouping.bundle.loading import Bundle, assembled, load
from grouping.bundle.manifest import BundledNetwork, BundledTask, Manifest, Spread
from grouping.bundle.networks import ServingNetwork, whole_network, with_weights
from grouping.bundle.source import BundleSource
from grouping.domain.groupings import Grouping
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TaskScore
from grouping.domain.verdicts.verdict import t_quantile
from grouping.errors import BundleError
from grouping.training.data import TrainingData
from grouping.training.devices import take_device
from grouping.training.evaluation import outputs_of

LARGEST_DIFFERENCE = 1e-3
"""Relative difference of test losses beyond which a bundle is not what was trained, on whatever machine."""
_OWN = re.compile(rf"(network-[\w-]+\.safetensors|{MANIFEST}|{CARD}|{PICTURE})(\.[0-9a-f]+\.partial)?")
WeightsOf = Callable[[KeptNetwork], bytes]


@dataclass(frozen=True, slots=True)
class About:
    """What a bundle says of itself, beside what it holds.

    Attributes:
        verdict: what fresh seeds say of the grouping, in words.
        licence: what is known of the licence of data and weights.
    """

    verdict: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that was written.

    Attributes:
        manifest: its manifest.
        n_bytes: size of all files.
        difference: largest relative difference between its test losses and those of the trainings; 0 where
            all are equal to the last bit.
    """

    manifest: Manifest
    n_bytes: int
    difference: float


def write_bundle(
    outs: Sequence[str], finished: FinishedGrouping, weights_of: WeightsOf, source: BundleSource, about: About
) -> Written:
    """Check that a bundle scores on the test rows what its networks scored, write it, and load it.

    Args:
        outs: paths or addresses of the folders that get it; a bundle that is there is replaced.
        finished: the kept networks.
        weights_of: reads the weights of one of them.
        source: the data they were trained on.
        about: what it says of itself.

    Raises:
        BundleError: if a folder holds something else, if the data are other ones, if the bundle cannot be
            written, or if it scores something else than its networks did.
    """
    for out in outs:
        check_folder(out)
    if source.dataset.digest() != finished.data_digest:
        raise BundleError(
            "The data are not those that the networks were trained on: their digest is another one. Where "
            "they follow from installed libraries, install the versions that the job was trained with."
        )
    take_device()  # one thread, as the trainings: more would round differently
    data = TrainingData.from_dataset(source.dataset, source.tasks)
    manifest, files = _contents(finished, weights_of, source, data, about)
    difference = largest_difference(assembled(manifest, files.get), data, source)
    if not difference <= LARGEST_DIFFERENCE:
        raise BundleError(
            f"The bundle does not score what its networks scored (a loss differs by {difference:.2g} of its "
            "value), so it was not written. Train the networks again: grouping finish JOB --again."
        )
    manifest = replace(manifest, is_exact=difference == 0)
    files[CARD] = model_card(manifest).encode()
    files[PICTURE] = picture(manifest, finished.grouping).encode()
    files[MANIFEST] = manifest.to_json()  # last: what was there is a whole bundle until then
    for out in outs:
        _write(out, files)
    return Written(manifest, sum(map(len, files.values())), difference)


def write_kept(
    shelf: KeptNetworks,
    finished: FinishedGrouping,
    source: BundleSource,
    about: About,
    outs: Sequence[str] = (),
) -> Written:
    """Write kept networks as a bundle, beside their weights and to further folders; see `write_bundle`."""
    places = (shelf.bundle_address(finished), *outs)
    return write_bundle(places, finished, lambda one: shelf.weights(finished, one), source, about)


def _write(out: str, files: Mapping[str, bytes]) -> None:
    folder = Address(out)
    for name, content in files.items():
        folder.write(name, content)
    load(out)
    for left in set(filter(_OWN.fullmatch, folder.names())) - set(files):
        folder.remove(left)


@torch.no_grad()
def largest_difference(bundle: Bundle, data: TrainingData, source: BundleSource) -> float:
    """Return the largest relative difference of the test losses of a bundle from those that it tells.

    Not a number if a loss is none.
    """
    outputs = bundle.raw_outputs(source.test_rows)
    found = []
    for bundled in bundle.manifest.tasks:
        name, told = bundled.task.name, bundled.score.test_loss
        norm = data.normalisations[name]
        loss = norm.deciding_loss(outputs[name].clone(), data.test.targets[name])
        found.append(0.0 if loss == told or told is None else abs(loss - told) / max(abs(told), 1e-12))
    return math.nan if any(map(math.isnan, found)) else max(found)


def check_folder(out: str) -> None:
    """Check that a bundle may be written to a folder: to none yet, or in the place of another bundle.

    Raises:
        BundleError: if it holds something else.
    """
    names = Address(out).names()
    # One where an export was killed has no manifest, and nothing but files of a bundle.
    if MANIFEST not in names and not all(map(_OWN.fullmatch, names)):
        raise BundleError(
            f"{out!r} is there and holds no bundle: choose another folder (--out), or empty it."
        )


def _contents(
    finished: FinishedGrouping, weights_of: WeightsOf, source: BundleSource, data: TrainingData, about: About
) -> tuple[Manifest, dict[str, bytes]]:
    grouping = finished.grouping
    tasks = {task.name: task for task in source.tasks}
    networks, files, chosen = [], {}, []
    for n in range(len(grouping.networks)):
        one = choose(finished, n, tasks)
        chosen.append(one)
        network, content = _served(one, weights_of(one), grouping, n, source)
        networks.append(network)
        files[network.file] = content
    served = [
        _bundled(tasks[name], chosen[n], finished.of_network(n), n, source, data)
        for name, n in zip(grouping.tasks, grouping.serving, strict=True)
    ]
    manifest = Manifest(
        source.title,
        finished.job_id,
        finished.budget_snt,
        about.verdict,
        str(finished.rows),
        source.inputs,
        tuple(served),
        tuple(networks),
        source.recipe,
        finished.data_digest,
        finished.seeds,
        finished.versions,
        finished.created_at,
        about.licence,
    )
    return manifest, files


def choose(finished: FinishedGrouping, n: int, tasks: Mapping[str, Task]) -> KeptNetwork:
    """Choose the training of a network that goes into the bundle.

    It is the one of the least weighted validation loss over the tasks that the network serves, the first
    where some are equal. So the test rows take no part. Where validation rows were trained on, it is the
    first.
    """
    trained, serves = finished.of_network(n), finished.grouping.served_tasks(n)
    if finished.rows is LearnedRows.TRAIN_AND_VALIDATION:
        return trained[0]

    def loss(one: KeptNetwork) -> float:
        return sum(tasks[name].objective_weight * one.score(name).validation_loss for name in serves)

    return min(trained, key=loss)


def _served(
    one: KeptNetwork, content: bytes, grouping: Grouping, n: int, source: BundleSource
) -> tuple[BundledNetwork, bytes]:
    """Return the network as the bundle describes it, with the file of the weights that serve."""
    serves = grouping.served_tasks(n)
    described = BundledNetwork(
        one.network.name(grouping.tasks),
        one.group,
        serves,
        one.size,
        one.cost_snt,
        one.seed,
        one.widths,
        "",
        "",
    )
    weights = read_tensors(content)
    tasks = {task.name: task for task in source.tasks}

    def built(left_out: Sequence[str] = ()) -> ServingNetwork:
        whole = whole_network(source.recipe, described, tasks, source.inputs.n_features)
        given = {name: value for name, value in weights.items() if name not in left_out}
        return ServingNetwork(with_weights(whole, given, left_out), serves)

    whole = whole_network(source.recipe, described, tasks, source.inputs.n_features)
    rows = torch.from_numpy(np.asarray(source.dataset.inputs[source.dataset.test]))
    left_out = unneeded(with_weights(whole, weights), serves, rows[:8])
    if not _are_equal(built(left_out), built(), rows):
        of_others = [p for p, name in enumerate(one.group) if name not in serves]
        left_out = tuple(name for name in weights if name.startswith(tuple(f"heads.{p}." for p in of_others)))
    kept = save({name: value for name, value in weights.items() if name not in left_out})
    digest = hashlib.sha256(kept).hexdigest()
    file = f"network-{n + 1}-{digest[:8]}.safetensors"  # no file of an earlier bundle is written over
    return replace(described, file=file, sha256=digest, left_out=left_out), kept


def unneeded(network: torch.nn.Module, serves: Sequence[str], rows: Tensor) -> tuple[str, ...]:
    """Return the names of the weights on which no served task depends: heads that only helped, and the like.

    Args:
        network: the whole network, a `MultiTaskNetwork`.
        serves: names of the tasks that it serves.
        rows: a few inputs, ``[rows, features]``.
    """
    named = {name: p for name, p in network.named_parameters() if p.is_floating_point()}
    for parameter in named.values():
        parameter.requires_grad_(True)
    outputs = dict(zip(network.task_names, network.eval()(rows), strict=True))  # type: ignore[arg-type]
    total = torch.stack([outputs[name].sum() for name in serves]).sum()
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return tuple(name for name, gradient in zip(named, gradients, strict=True) if gradient is None)


@torch.no_grad()
def _are_equal(one: ServingNetwork, other: ServingNetwork, rows: Tensor) -> bool:
    pairs = zip(outputs_of(one, rows), outputs_of(other, rows), strict=True)
    return all(torch.equal(found, wanted) for found, wanted in pairs)


def _bundled(
    task: Task,
    one: KeptNetwork,
    trained: Sequence[KeptNetwork],
    n: int,
    source: BundleSource,
    data: TrainingData,
) -> BundledTask:
    scores = [network.score(task.name) for network in trained]
    norm = data.normalisations[task.name]
    return BundledTask(
        norm.task,
        n,
        norm.constants,
        one.score(task.name),
        _spread(scores, lambda score: score.test_loss),
        _spread(scores, lambda score: score.test_metric),
        source.labels.get(task.name, ()),
        source.columns.get(task.name, ()),
    )


def _spread(scores: Sequence[TaskScore], value: Callable[[TaskScore], float | None]) -> Spread | None:
    found = [number for score in scores if (number := value(score)) is not None]
    if not found or len(found) < len(scores):
        return None
    mean, n = statistics.fmean(found), len(found)
    if n == 1:
        return Spread(mean, None, None, 1)
    half = t_quantile(n - 1) * statistics.stdev(found) / math.sqrt(n)
    return Spread(mean, mean - half, mean + half, n)
