"""Bundles in other formats: a programme of ``torch.export``, or ONNX, checked against PyTorch.

A graph goes from inputs, as the bundle's preprocessing makes them, to the answers of every task in its own
units. Reading a table is no part of it: `Inputs.of` does that, by the plain data of the manifest.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from grouping.artefacts.address import Address
from grouping.artefacts.formats import Format
from grouping.bundle.bench import trial_inputs
from grouping.bundle.loading import Bundle
from grouping.bundle.manifest import BundledTask
from grouping.bundle.networks import ServingNetwork, ServingNetworks
from grouping.errors import BundleError
from grouping.training.losses import Normalisation

TOLERANCE = 1e-5
"""Largest difference from PyTorch, relative to the largest answer of the task (and to 1 below that)."""
N_ROWS = 64
Run = Callable[[Tensor], Sequence[Tensor]]


SUFFIXES = {Format.ONNX: "onnx", Format.TORCH_EXPORT: "pt2"}


@dataclass(frozen=True, slots=True)
class Converted:
    """A graph that was written.

    Attributes:
        file: name of its file.
        tasks: names of its outputs, in order.
        n_bytes: size of the file.
        difference: largest difference from PyTorch on the rows of the check, see `TOLERANCE`.
    """

    file: str
    tasks: tuple[str, ...]
    n_bytes: int
    difference: float


class Answers(nn.Module):
    """Networks, and their raw outputs turned into answers in the units of each task.

    Args:
        networks: module from inputs to raw outputs of each task.
        tasks: the tasks, in the order of the outputs.
    """

    def __init__(self, networks: nn.Module, tasks: Sequence[BundledTask]) -> None:
        super().__init__()
        self._networks = networks
        self._norms = [Normalisation.of(bundled.task, bundled.constants) for bundled in tasks]
        self.eval()

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Answer each task, ``[rows, n_outputs]``: numbers, or probabilities."""
        pairs = zip(self._norms, self._networks(inputs), strict=True)
        return tuple(norm.decode(outputs) for norm, outputs in pairs)


def convert(
    bundle: Bundle, wanted: Format, out: str, *, each: bool = False, rows: Any = None
) -> tuple[Converted, ...]:
    """Write a bundle as one graph with all outputs, and check it.

    Args:
        bundle: the bundle.
        wanted: the format.
        out: path or address of the folder.
        each: whether to write a graph of each network too.
        rows: rows to check it on, as the bundle reads them; drawn ones unless given.

    Raises:
        BundleError: if a network cannot be converted, or the graph answers something else.
        MissingExtraError: if what ONNX needs is not installed.
    """
    if wanted is Format.ONNX:
        from grouping.extras import require

        require("onnx")
    inputs = trial_inputs(bundle.manifest, N_ROWS)
    if rows is not None:
        inputs = torch.from_numpy(bundle.manifest.inputs.of(rows))
    folder, tasks = Address(out), {bundled.task.name: bundled for bundled in bundle.manifest.tasks}
    found = []
    for name, module, served in _modules(bundle, each=each):
        answers = Answers(module, [tasks[task] for task in served])
        found.append(_written(folder, name, answers, served, wanted, inputs))
    return tuple(found)


def _modules(bundle: Bundle, *, each: bool) -> Iterator[tuple[str, nn.Module, tuple[str, ...]]]:
    """Yield the name of each graph, its module, and the tasks that it answers."""
    yield "bundle", bundle.module, bundle.tasks
    for number, network in enumerate(_networks(bundle.module), start=1):
        if each:
            yield f"network-{number}", network, network.serves


def _networks(module: ServingNetworks) -> Iterator[ServingNetwork]:
    for network in module.networks:
        assert isinstance(network, ServingNetwork)
        yield network


def _written(
    folder: Address, name: str, answers: Answers, tasks: tuple[str, ...], wanted: Format, inputs: Tensor
) -> Converted:
    with torch.no_grad(), _quiet():
        try:
            content, run = _CONVERTERS[wanted](answers, tasks, inputs)
        except (RuntimeError, ValueError, TypeError, torch.onnx.OnnxExporterError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise BundleError(f"The networks cannot be converted to {wanted}: {reason}") from error
        difference = max(
            _difference(found, exact)
            for some in (inputs, inputs[:1])  # of another number of rows than it was traced with
            for found, exact in zip(run(some), answers(some), strict=True)
        )
    if not difference <= TOLERANCE:
        raise BundleError(
            f"Converted to {wanted}, the networks answer something else: up to {difference:.2g} of the "
            "largest answer. The graph was not kept."
        )
    file = f"{name}.{SUFFIXES[wanted]}"
    folder.write(file, content)
    return Converted(file, tasks, len(content), difference)


def _difference(found: Tensor, exact: Tensor) -> float:
    if found.shape != exact.shape:
        return float("inf")
    return float((found - exact).abs().max()) / max(1.0, float(exact.abs().max()))


def _exported(answers: Answers, inputs: Tensor) -> Any:
    rows = torch.export.Dim("rows", min=1)
    return torch.export.export(answers, (inputs,), dynamic_shapes=({0: rows},))


def _to_torch(answers: Answers, tasks: tuple[str, ...], inputs: Tensor) -> tuple[bytes, Run]:
    sink = io.BytesIO()
    torch.export.save(_exported(answers, inputs), sink)
    sink.seek(0)
    again: Run = torch.export.load(sink).module()
    return sink.getvalue(), again


def _to_onnx(answers: Answers, tasks: tuple[str, ...], inputs: Tensor) -> tuple[bytes, Run]:
    from onnxruntime import InferenceSession

    programme = torch.onnx.export(
        _exported(answers, inputs),
        input_names=["inputs"],
        output_names=list(tasks),
        dynamo=True,
        verbose=False,
    )
    if programme is None:
        raise RuntimeError("there is no programme")
    content: bytes = programme.model_proto.SerializeToString()
    session = InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(some: Tensor) -> list[Tensor]:
        return [torch.from_numpy(found) for found in session.run(None, {"inputs": some.numpy()})]

    return content, run


_CONVERTERS: Mapping[Format, Callable[[Answers, tuple[str, ...], Tensor], tuple[bytes, Run]]] = {
    Format.ONNX: _to_onnx,
    Format.TORCH_EXPORT: _to_torch,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporters say of their own parts."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
