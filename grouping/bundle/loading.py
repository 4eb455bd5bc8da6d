"""Loading a bundle, and predicting with it: PyTorch and safetensors, and nothing of the service."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from torch import Tensor

from grouping.artefacts.address import Address
from grouping.artefacts.kept import MANIFEST
from grouping.bundle.manifest import BundledNetwork, Manifest
from grouping.bundle.networks import ServingNetworks, serving_networks
from grouping.bundle.predictions import TaskAnswer, answer
from grouping.errors import BundleError, GroupingError
from grouping.training.evaluation import outputs_of

if TYPE_CHECKING:
    import pandas as pd

_CANNOT_BE = (
    *(GroupingError, TypeError, ValueError, ArithmeticError),
    *(LookupError, AttributeError, RuntimeError, MemoryError),
)
"""What building from a manifest ends in that was written by hand, or by another program."""
_FILE = re.compile(r"[A-Za-z0-9_-]+\.safetensors")


class Bundle:
    """The networks of a grouping, that together answer every task. Safe to use from several threads.

    Attributes:
        manifest: what it is: tasks, networks, inputs, scores.
        module: its networks as one PyTorch module, from inputs to the raw outputs of every task.
    """

    def __init__(self, manifest: Manifest, module: ServingNetworks) -> None:
        self.manifest = manifest
        self.module = module

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that it answers."""
        return tuple(bundled.task.name for bundled in self.manifest.tasks)

    def predict(self, rows: Any, *, probabilities: bool = False) -> pd.DataFrame:
        """Answer every task for some rows, in its own units.

        Numbers are in the units of the data, and classes are told by their labels, as text. Where the data
        have no labels they are numbers from 0. Of a target with several outputs each has a column.

        Args:
            rows: a table with the columns that it reads (further ones are ignored), or what pandas makes one
                of; for a problem without columns an array ``[rows, features]``.
            probabilities: whether to add the probability of each class, in columns such as
                ``clicked = yes``.

        Returns:
            A table with the index of the rows.

        Raises:
            InvalidInputError: if a column is missing, or holds what it cannot; says which.
        """
        import pandas as pd

        columns: dict[str, NDArray[np.generic]] = {}
        for told in self._answers(rows).values():
            columns |= told.columns | (told.probabilities if probabilities else {})
        return pd.DataFrame(columns, index=rows.index if isinstance(rows, pd.DataFrame) else None)

    def arrays(self, rows: Any) -> Mapping[str, NDArray[np.float32]]:
        """Answer every task as an array, ``[rows, n_outputs]``: numbers in its own units, or probabilities.

        Args:
            rows: as `predict` takes them.

        Raises:
            InvalidInputError: as `predict`.
        """
        return {name: told.values for name, told in self._answers(rows).items()}

    def raw_outputs(self, rows: Any) -> Mapping[str, Tensor]:
        """Return what the heads give, ``[rows, n_outputs]``, from which losses are computed.

        Many rows are computed in the same parts as when the networks were scored, so the same rows give the
        same floats on the machine that trained them; elsewhere they differ by rounding.

        Args:
            rows: as `predict` takes them.

        Raises:
            InvalidInputError: as `predict`.
        """
        inputs = torch.from_numpy(self.manifest.inputs.of(rows))
        with torch.inference_mode():
            outputs = outputs_of(self.module, inputs)
        return dict(zip(self.tasks, outputs, strict=True))

    def _answers(self, rows: Any) -> Mapping[str, TaskAnswer]:
        outputs = self.raw_outputs(rows)
        with torch.inference_mode():
            return {b.task.name: answer(b, outputs[b.task.name]) for b in self.manifest.tasks}


def load(address: str | Path) -> Bundle:
    """Load a bundle.

    Args:
        address: path of its folder, or a URL that fsspec knows, such as ``s3://bucket/digits``.

    Returns:
        The bundle, on the CPU.

    Raises:
        BundleError: if there is none, if it is damaged or was changed, or if it needs a later version or a
            plug-in that is not installed.
    """
    folder = Address(str(address))
    return assembled(read_manifest(folder), folder.read)


def assembled(manifest: Manifest, read: Callable[[str], bytes | None]) -> Bundle:
    """Put a bundle together from its manifest and the files that it names.

    Args:
        manifest: its manifest.
        read: reads a file by its name; None where there is none.

    Raises:
        BundleError: as `load`.
    """
    weights = [_weights(read, one) for one in manifest.networks]
    try:
        bundle = Bundle(manifest, serving_networks(manifest, weights))
        _try_answers(manifest)
    except BundleError:
        raise
    except _CANNOT_BE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BundleError(f"The manifest of the bundle says what cannot be: {reason}") from error
    return bundle


@torch.inference_mode()
def _try_answers(manifest: Manifest) -> None:
    """Turn outputs of 0 into an answer for each task, so that what cannot be answered is told now.

    Raises:
        ValueError: if an answer is no number, or has another shape than one row.
    """
    for bundled in manifest.tasks:
        told = answer(bundled, torch.zeros(1, bundled.task.n_outputs))
        shapes = {column.shape for column in (*told.columns.values(), *told.probabilities.values())}
        if shapes != {(1,)} or not np.isfinite(told.values).all():
            raise ValueError(f"the constants of the task {bundled.task.name!r} give no answers")


def read_manifest(folder: Address) -> Manifest:
    """Read the manifest of a bundle and verify it.

    Raises:
        BundleError: if there is none, or it cannot be trusted.
    """
    content = folder.read(MANIFEST)
    if content is None:
        raise BundleError(
            f"There is no bundle at {folder.address!r}: it has no {MANIFEST}. Make one with: "
            f"grouping export JOB --budget 2 --out {folder.address}"
        )
    return Manifest.from_json(content)


def _weights(read: Callable[[str], bytes | None], network: BundledNetwork) -> dict[str, Tensor]:
    """Read the weights of a network and verify them."""
    if not _FILE.fullmatch(network.file):
        raise BundleError(f"The manifest names {network.file[:80]!r}, which is no file of a bundle.")
    content = read(network.file)
    if content is None:
        raise BundleError(f"The bundle lacks {network.file}: copy it anew, all of its files.")
    if hashlib.sha256(content).hexdigest() != network.sha256:
        raise BundleError(f"{network.file} is damaged or was changed: its digest is another one.")
    try:
        return read_tensors(content)
    except (SafetensorError, ValueError) as error:
        raise BundleError(f"{network.file} holds no weights: {error}") from error
