"""Networks of a bundle as PyTorch modules: built by the recipe, with the weights of the bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from grouping.bundle.manifest import BundledNetwork, Manifest
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import BundleError, GroupingError
from grouping.training.blueprint import Blueprint
from grouping.training.methods import build_encoder, build_network
from grouping.training.networks import MultiTaskNetwork


class ServingNetwork(nn.Module):
    """A network with the heads of the tasks that it serves, and no others.

    Args:
        network: the whole network, with its weights.
        serves: names of the tasks that it serves, in the order of the outputs.
    """

    def __init__(self, network: MultiTaskNetwork, serves: Sequence[str]) -> None:
        super().__init__()
        self.serves = tuple(serves)
        self._places = [network.task_names.index(name) for name in serves]
        self.heads = nn.ModuleList(network.heads[place] for place in self._places)
        for place in range(len(network.heads)):
            network.heads[place] = nn.Identity()
        self.below = network.eval()
        self.requires_grad_(False)
        self.eval()

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Compute the raw outputs of each served task, ``[rows, n_outputs]``."""
        features = self.below.features(inputs)
        return [head(features[place]) for head, place in zip(self.heads, self._places, strict=True)]


class ServingNetworks(nn.Module):
    """All networks of a bundle as one module, from inputs to the raw outputs of every task.

    Args:
        networks: the networks; together they serve every task once.
        tasks: names of the tasks, in the order of the outputs.
    """

    def __init__(self, networks: Sequence[ServingNetwork], tasks: Sequence[str]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        served = [name for network in networks for name in network.serves]
        self._order = [served.index(name) for name in tasks]
        self.eval()

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the raw outputs of each task, ``[rows, n_outputs]``, in the order of the tasks."""
        found: list[Tensor] = []
        for network in self.networks:
            found += network(inputs)
        return tuple(found[place] for place in self._order)


def serving_networks(manifest: Manifest, weights: Sequence[Mapping[str, Tensor]]) -> ServingNetworks:
    """Build the networks of a bundle.

    Args:
        manifest: says what they are.
        weights: those of each network, by their names in it.

    Raises:
        BundleError: if they cannot be built here, or the weights are those of other networks.
    """
    tasks = {bundled.task.name: bundled.task for bundled in manifest.tasks}
    recipe, n_features = manifest.recipe, manifest.inputs.n_features
    networks = []
    for network, own in zip(manifest.networks, weights, strict=True):
        sketch = whole_network(recipe, network, tasks, n_features, is_sketch=True)
        _check_weights(sketch, own, network.left_out)  # before the memory is taken
        whole = with_weights(whole_network(recipe, network, tasks, n_features), own, network.left_out)
        networks.append(ServingNetwork(whole, network.serves))
    return ServingNetworks(networks, list(tasks))


def whole_network(
    recipe: Recipe,
    network: BundledNetwork,
    tasks: Mapping[str, Task],
    n_features: int,
    *,
    is_sketch: bool = False,
) -> MultiTaskNetwork:
    """Build the network of a group as it was trained, at its initial weights.

    Args:
        recipe: its recipe.
        network: what it is.
        tasks: the tasks by name.
        n_features: width of the inputs.
        is_sketch: whether its weights need no values, and so no memory, where its encoder can be built so.

    Raises:
        BundleError: if its recipe names what is not installed here, or cannot be built.
    """
    try:
        members = tuple(tasks[name] for name in network.group)
        encoder = build_encoder(recipe, n_features)
        device = encoder.counted_on(network.widths) if is_sketch else "cpu"
        blueprint = Blueprint(encoder, network.widths, members, network.seed, device=device)
        return build_network(recipe, blueprint).eval()
    except (GroupingError, KeyError) as error:
        raise BundleError(
            f"The network {network.name!r} of the bundle cannot be built here: {error} A plug-in that it was "
            "trained with has to be installed where it is used."
        ) from error


def with_weights(
    network: MultiTaskNetwork, weights: Mapping[str, Tensor], left_out: Sequence[str] = ()
) -> MultiTaskNetwork:
    """Give a network its weights; those that are left out, on which nothing depends, become 0.

    Raises:
        BundleError: if they are those of another network.
    """
    _check_weights(network, weights, left_out)
    own = network.state_dict()
    zeros = {name: torch.zeros_like(own[name]) for name in left_out if name in own}
    network.load_state_dict(zeros | dict(weights))
    return network


def _check_weights(network: MultiTaskNetwork, weights: Mapping[str, Tensor], left_out: Sequence[str]) -> None:
    """Check that weights are those of a network, but for those that are left out.

    Raises:
        BundleError: if they are those of another network.
    """
    own = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    given = {name: (value.shape, value.dtype) for name, value in weights.items()}
    if own != {name: own[name] for name in left_out if name in own} | given:
        raise BundleError(
            "The weights of the bundle are those of another network than its manifest says, or the method "
            "that it was trained with builds another one in this version."
        )
