"""What every method of sharing does, whatever the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.recipes import epochs_of
from grouping.recipes.checks import stages_below
from grouping.training.blueprint import Blueprint
from grouping.training.data import TrainingData
from grouping.training.initialisation import generator_for
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_encoder, build_network, cost_key
from grouping.training.networks import MultiTaskNetwork
from tests.unit.test_training_loop import TASKS

GROUP = Network.of("class", "sign", "map", size=3)
ALONE = Network.of("class")
BASE = Recipe(hidden=(12, 8), epochs=2, batch_size=30, learning_rate=0.02)

ENCODERS: dict[str, tuple[Method, int, tuple[int, ...]]] = {
    "mlp": (Method("mlp"), 6, (6, 4)),
    "convolutional": (Method("convolutional", {"height": 4, "width": 4}), 16, (3, 4)),
    "transformer": (Method("transformer", {"vocabulary": 9, "n_heads": 2, "max_length": 5}), 5, (4, 4)),
}
"""Method, width of the inputs and hidden widths, by name: features with two, four and three dimensions."""


def inputs_of(encoder: str, rows: int) -> Tensor:
    """Rows that the encoder can read."""
    width = ENCODERS[encoder][1]
    if encoder == "transformer":
        tokens = torch.randint(1, 9, (rows, width), generator=generator_for("tokens"))
        tokens[::2, -2:] = 0  # some texts are shorter
        return tokens.float()
    return torch.randn(rows, width, generator=generator_for("inputs"))


def network_of(
    recipe: Recipe,
    encoder: str,
    tasks: Sequence[Task],
    *,
    is_generic: bool = False,
    seed: int = 0,
    device: str = "cpu",
) -> MultiTaskNetwork:
    """The network of a recipe under another encoder.

    Args:
        recipe: gives the method of sharing.
        encoder: by its name in `ENCODERS`.
        tasks: of the network.
        is_generic: whether the weights are moved away from where they start, zeros and ones for example.
        seed: of the initial weights.
        device: where it is built.
    """
    method, n_features, widths = ENCODERS[encoder]
    recipe = replace(recipe, encoder=method, hidden=widths)
    blueprint = Blueprint(build_encoder(recipe, n_features), widths, tuple(tasks), seed, device)
    network = build_network(recipe, blueprint)
    if is_generic:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                noise = torch.rand(parameter.shape, generator=generator_for("generic", name))
                parameter.add_(0.2 * (noise + 0.1))
    return network


def multiply_adds(recipe: Recipe, encoder: str, tasks: Sequence[Task]) -> int:
    """Of one row, in all of a network but its heads, at the widths of `ENCODERS`."""
    network = network_of(recipe, encoder, tasks, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.features(torch.zeros(1, ENCODERS[encoder][1], device="meta"))
    return int(counter.get_total_flops()) // 2


def reached(outputs: Sequence[Tensor], network: MultiTaskNetwork) -> list[set[str]]:
    """For each task, the names of the parameters that its outputs depend on at this point."""
    named = dict(network.named_parameters())
    found = []
    for output in outputs:
        gradients = torch.autograd.grad(
            output.square().sum(), list(named.values()), retain_graph=True, allow_unused=True
        )
        found.append(
            {name for name, g in zip(named, gradients, strict=True) if g is not None and bool((g != 0).any())}
        )
    return found


class SharingContract:
    """Inherited by the tests of one or several methods, which give the fixtures `recipe` and `data`.

    `recipe` is one like `BASE`, with the method as its way of sharing; `data` has the tasks of the tests of
    training.
    """

    @pytest.mark.parametrize("network", [GROUP, ALONE], ids=str)
    def test_training_lowers_the_loss(self, data: TrainingData, recipe: Recipe, network: Network) -> None:
        training = Training(data, TrialRequest(network, 0), replace(recipe, epochs=8))
        losses = [training.run_epoch() for _ in range(8)]
        assert losses[-1] < 0.95 * losses[0]
        assert training.evaluate().is_finite

    def test_equal_seeds_give_equal_floats_also_where_affinities_are_measured(
        self, data: TrainingData, recipe: Recipe
    ) -> None:
        before = torch.get_rng_state()
        first = train_network(data, TrialRequest(GROUP, 0), recipe)
        assert torch.equal(torch.get_rng_state(), before)
        with torch.random.fork_rng():
            torch.manual_seed(99)
            again = train_network(data, TrialRequest(GROUP, 0, measures_affinity=True), recipe)
        assert first.state is TrialState.SUCCEEDED
        assert [score.task for score in first.scores] == ["class", "sign", "map"]
        assert again.scores == first.scores

    def test_continuing_from_a_saved_state_gives_the_same_floats_as_never_stopping(
        self, data: TrainingData, recipe: Recipe
    ) -> None:
        request = TrialRequest(GROUP, 3)
        first = Training(data, request, recipe)
        first.run_epoch()
        state = first.state_dict()
        second = Training(data, request, recipe)
        second.load_state_dict(state)
        for training in (first, second):
            while not training.is_finished:
                training.run_epoch()
        assert second.evaluate() == first.evaluate()

    @pytest.mark.parametrize("network", [GROUP, ALONE], ids=str)
    def test_a_network_is_prepared_for_as_many_epochs_as_the_declaration_says(
        self, data: TrainingData, recipe: Recipe, network: Network
    ) -> None:
        training = Training(data, TrialRequest(network, 0), recipe)
        told = []
        while training.prepare_epoch():
            told.append(training.prepared)
        expected = epochs_of(recipe)(len(network.group), 1.0) - recipe.epochs
        assert told == list(range(1, expected + 1))
        training.run_epoch()
        assert (training.epoch, training.spent) == (1, len(told) + 1)

    def test_a_network_has_the_depths_that_its_declaration_tells(self, recipe: Recipe) -> None:
        for hidden in ((6, 4), (6, 4, 4, 4)):
            changed = replace(recipe, hidden=hidden)
            blueprint = Blueprint(build_encoder(changed, 6), hidden, TASKS)
            stages = stages_below(changed, TASKS)
            assert stages is not None
            assert len(build_network(changed, blueprint).depths()) == 1 + max(stages.values())

    def test_another_seed_starts_from_other_weights(self, recipe: Recipe) -> None:
        one, other = (network_of(recipe, "mlp", TASKS, seed=seed) for seed in (0, 1))
        for a, b in zip(one(inputs_of("mlp", 3)), other(inputs_of("mlp", 3)), strict=True):
            assert not torch.equal(a, b)

    @pytest.mark.parametrize("encoder", ENCODERS)
    def test_several_tasks_cost_no_less_than_one_encoder_and_one_task_no_more(
        self, recipe: Recipe, encoder: str
    ) -> None:
        plain = multiply_adds(replace(recipe, sharing=Method("hard")), encoder, TASKS[:1])
        assert multiply_adds(recipe, encoder, TASKS) >= plain
        assert 0 < multiply_adds(recipe, encoder, TASKS[:1]) <= plain

    def test_groups_of_one_cost_key_cost_the_same(self, recipe: Recipe) -> None:
        known: dict[object, int] = {}
        for group in chain.from_iterable(combinations(TASKS, size) for size in (1, 2)):
            cost = multiply_adds(recipe, "mlp", group)
            assert known.setdefault(cost_key(recipe, group), cost) == cost
        assert len(known) < 10  # fewer than the groups: it saves something

    def test_the_shared_parameters_are_those_that_several_tasks_reach(self, recipe: Recipe) -> None:
        tasks = [task for task in TASKS if task.name in GROUP.group]
        network = network_of(recipe, "mlp", tasks, is_generic=True)
        reaches = reached(network(inputs_of("mlp", 64)), network)
        several = {name for name in set().union(*reaches) if sum(name in one for one in reaches) > 1}
        assert set(network.shared_parameters()) == several
        own = dict(network.named_parameters())
        assert all(own[name] is p for name, p in network.shared_parameters().items())

    @pytest.mark.parametrize("n_tasks", [1, 3])
    def test_every_parameter_is_at_one_depth_and_the_heads_at_the_last(
        self, recipe: Recipe, n_tasks: int
    ) -> None:
        network = network_of(recipe, "mlp", TASKS[:n_tasks])
        depths = network.depths()
        at_depth = [id(parameter) for depth in depths for parameter in depth]
        assert len(set(at_depth)) == len(at_depth)
        assert set(at_depth) == {id(parameter) for parameter in network.parameters()}
        assert {id(p) for p in network.heads.parameters()} <= {id(p) for p in depths[-1]}

    @pytest.mark.parametrize("encoder", ENCODERS)
    @pytest.mark.parametrize("n_tasks", [1, 2, 4])
    def test_every_encoder_serves_every_task(self, recipe: Recipe, encoder: str, n_tasks: int) -> None:
        tasks = TASKS[:n_tasks]
        network = network_of(recipe, encoder, tasks, is_generic=True)
        outputs = network(inputs_of(encoder, 5))
        assert [tuple(output.shape) for output in outputs] == [(5, task.n_outputs) for task in tasks]
        assert all(bool(output.isfinite().all()) for output in outputs)
        alone = network(inputs_of(encoder, 5)[:2])
        for output, part in zip(outputs, alone, strict=True):  # a row does not depend on the others
            torch.testing.assert_close(output[:2], part)

    def test_padding_of_texts_stays_zero(self, recipe: Recipe) -> None:
        network = network_of(recipe, "transformer", TASKS, is_generic=True)
        tokens = inputs_of("transformer", 4)
        for features in network.features(tokens):
            assert torch.equal((features != 0).any(dim=-1), tokens != 0)
