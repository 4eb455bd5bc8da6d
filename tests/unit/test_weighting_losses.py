"""Laws of the methods that weight losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchjd.scalarization import GeometricMean

from grouping.domain.trainings.trials import TrialRequest
from grouping.training.loop import Training, train_network
from grouping.training.weighting.gradients import GradientWeighting
from grouping.training.weighting.inverse import inverse
from grouping.training.weighting.weighting import Weighting
from tests.contracts.weighting import GROUP, METHODS, Linear, make_data, make_weighting, random_gradients
from tests.contracts.weighting import recipe_of as recipe

LOSS_METHODS = [name for name in METHODS if not isinstance(make_weighting(name, 2), GradientWeighting)]
OWN_LAWS = ("random", "inverse-label-prior", "dynamic-task-prioritisation")
"""They go by draws, labels or outputs, which stay in their places in a `Linear` step."""
UNIT_FREE = ("inverse-current-loss", "inverse-initial-loss", "inverse-gradient-norm")
GRADIENTS = random_gradients(0, 3)


def weights_of(
    weighting: Weighting, losses: Sequence[float], rows: Sequence[Sequence[float]] | None = None
) -> Tensor:
    return weighting.weights(Linear(rows or GRADIENTS[: len(losses)], losses).step)


def direction(weighting: Weighting, rows: Sequence[Sequence[float]], losses: Sequence[float]) -> Tensor:
    found = Linear(rows, losses).descend(weighting)
    unit: Tensor = found / found.norm()
    return unit


def weighting_of(method: str, **parameters: object) -> Weighting:
    return make_weighting(method, 3, **parameters)


@pytest.mark.parametrize("method", LOSS_METHODS)
def test_weights_are_positive_with_mean_one_and_have_no_graph(method: str) -> None:
    weighting = weighting_of(method)
    for epoch in range(4):
        for number in range(3):
            losses = [1.0, 0.5 / (1 + epoch), 10.0 ** -(epoch + number)]
            weights = weights_of(weighting, losses, random_gradients(epoch + number, 3))
            assert (weights > 0).all()
            assert float(weights.mean()) == pytest.approx(1.0, rel=1e-5)
            assert not weights.requires_grad
        weighting.end_epoch(torch.tensor(losses))


@pytest.mark.parametrize("method", LOSS_METHODS)
def test_every_parameter_follows_the_weighted_sum_of_the_losses(method: str) -> None:
    weighting, again = weighting_of(method), weighting_of(method)
    step = Linear(GRADIENTS, [1.0, 2.0, 0.5])
    found = step.descend(weighting)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = weights_of(again, [1.0, 2.0, 0.5])
    assert step.own.grad is not None
    assert step.own.grad.tolist() == pytest.approx(weights.tolist(), rel=1e-5)
    assert found.tolist() == pytest.approx((weights @ torch.tensor(GRADIENTS)).tolist(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("method", [name for name in LOSS_METHODS if name not in OWN_LAWS])
def test_weights_go_with_their_task_when_tasks_change_places(method: str) -> None:
    weighting, moved = weighting_of(method), weighting_of(method)
    order = [2, 0, 1]
    for losses in ([1.0, 2.0, 0.5], [0.3, 1.0, 0.4], [0.2, 0.9, 0.1]):
        weights = weights_of(weighting, losses)
        permuted = weights_of(moved, [losses[i] for i in order], [GRADIENTS[i] for i in order])
        assert permuted.tolist() == pytest.approx(weights[order].tolist(), rel=1e-5)
        weighting.end_epoch(torch.tensor(losses))
        moved.end_epoch(torch.tensor(losses)[order])


@pytest.mark.parametrize("method", UNIT_FREE)
def test_the_unit_of_one_loss_does_not_change_the_direction(method: str) -> None:
    losses, units = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([3.0, 0.2, 10.0])
    rows = torch.tensor(GRADIENTS)
    plain = direction(weighting_of(method), GRADIENTS, losses.tolist())
    scaled = direction(weighting_of(method), (units[:, None] * rows).tolist(), (units * losses).tolist())
    assert scaled.tolist() == pytest.approx(plain.tolist(), rel=1e-4, abs=1e-5)


def test_a_constant_added_to_a_loss_does_not_change_weights_by_gradient_norm() -> None:
    plain = weights_of(weighting_of("inverse-gradient-norm"), [1.0, 2.0, 0.5])
    shifted = weights_of(weighting_of("inverse-gradient-norm"), [9.0, 2.0, 4.5])
    assert torch.equal(plain, shifted)
    by_loss = weights_of(weighting_of("inverse-current-loss"), [1.0, 2.0, 0.5])
    shifted_by_loss = weights_of(weighting_of("inverse-current-loss"), [9.0, 2.0, 4.5])
    assert not torch.allclose(by_loss, shifted_by_loss)


def test_by_gradient_norm_every_task_pulls_equally_hard() -> None:
    weights = weights_of(weighting_of("inverse-gradient-norm"), [1.0, 2.0, 0.5])
    pulls = weights * torch.tensor(GRADIENTS).norm(dim=1)
    assert pulls.tolist() == pytest.approx([float(pulls[0])] * 3, rel=1e-5)


@pytest.mark.parametrize("method", ["inverse-initial-loss", "inverse-current-loss", "random"])
def test_losses_that_meet_in_a_penalty_alone_are_weighed_against_it(method: str) -> None:
    linear = Linear(GRADIENTS, [1.0, 2.0, 0.5], penalty=0.5)
    weighting_of(method).backward(replace(linear.step, shared={}))
    assert linear.own.grad is not None
    assert len(set(linear.own.grad.tolist())) == 3


def test_by_initial_loss_all_losses_count_alike_at_first_and_weights_then_stay() -> None:
    weighting = weighting_of("inverse-initial-loss")
    weights = weights_of(weighting, [1.0, 2.0, 0.5])
    assert (weights * torch.tensor([1.0, 2.0, 0.5])).tolist() == pytest.approx([6.0 / 7.0] * 3)
    assert torch.equal(weights_of(weighting, [0.1, 3.0, 0.2]), weights)


def test_by_current_loss_the_direction_is_that_of_the_geometric_mean() -> None:
    step = Linear(GRADIENTS, [1.0, 2.0, 0.5])
    mean = GeometricMean()(step.step.losses)
    lower, upper = torch.autograd.grad(mean, [step.lower, step.upper])
    wanted = torch.cat((lower, upper))
    found = direction(weighting_of("inverse-current-loss"), GRADIENTS, [1.0, 2.0, 0.5])
    assert found.tolist() == pytest.approx((wanted / wanted.norm()).tolist(), rel=1e-4)


def test_a_loss_that_has_come_to_nothing_leaves_weight_to_the_others() -> None:
    weights = inverse(torch.tensor([0.0, 1.0, 1.0]))
    assert float(weights[1]) > 1e-3
    assert torch.equal(inverse(torch.zeros(3)), torch.ones(3))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_by_label_prior_the_raw_losses_are_divided_by_its_power(exponent: float) -> None:
    # Variances 1, 4 and 9: a raw loss is the normalised one times its variance.
    weights = weights_of(weighting_of("inverse-label-prior", exponent=exponent), [1.0, 1.0, 1.0])
    raw = [prior * prior**-exponent for prior in (1.0, 4.0, 9.0)]
    assert weights.tolist() == pytest.approx([3.0 * value / sum(raw) for value in raw])


def test_by_label_prior_with_exponent_one_a_training_is_that_of_equal_weights() -> None:
    data, request = make_data(), TrialRequest(GROUP, seed=0)
    found = train_network(data, request, recipe("inverse-label-prior"))
    plain = train_network(data, request, recipe("equal"))
    for one, other in zip(found.scores, plain.scores, strict=True):
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-4)


def test_the_variances_of_uncertainty_come_to_be_the_losses() -> None:
    weighting = weighting_of("uncertainty")
    losses = [2.0, 0.5, 1.0]
    optimiser = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        weighting.backward(Linear(GRADIENTS, losses).step)
        optimiser.step()
    (logarithms,) = weighting.parameters()
    assert logarithms.detach().exp().tolist() == pytest.approx(losses, rel=1e-3)
    by_current_loss = weights_of(weighting_of("inverse-current-loss"), losses)
    assert weights_of(weighting, losses).tolist() == pytest.approx(by_current_loss.tolist(), rel=1e-3)


def test_the_variances_of_uncertainty_are_trained_along_with_the_network() -> None:
    training = Training(make_data(), TrialRequest(GROUP, seed=0), recipe("uncertainty"))
    training.run_epoch()
    logarithms = training.state_dict()["weighting.uncertainty.log_var"]
    assert (logarithms != 0).all()


def test_what_a_weighting_learns_does_not_decay_with_the_weights_of_the_network() -> None:
    decaying = replace(recipe("uncertainty"), weight_decay=100.0, learning_rate=1e-3)
    training = Training(make_data(), TrialRequest(GROUP, seed=0), decaying)
    name = "weighting.uncertainty.log_var"
    before = training.state_dict()
    training.load_state_dict({**before, name: torch.full((3,), 5.0)})
    training.run_epoch()
    after = training.state_dict()
    assert float(after["network.heads.0.weight"].norm()) < 0.9 * float(
        before["network.heads.0.weight"].norm()
    )
    assert (after[name] > 4.9).all()


def test_gradnorm_without_alpha_brings_all_gradients_to_one_norm() -> None:
    rate = 0.02
    weighting = weighting_of("gradnorm", alpha=0.0, rate=rate)
    assert weights_of(weighting, [1.0, 2.0, 0.5]).tolist() == [1.0, 1.0, 1.0]
    for _ in range(400):
        weights = weights_of(weighting, [1.0, 2.0, 0.5])
    norms = (weights * torch.tensor(GRADIENTS).norm(dim=1)).log()
    assert float(norms.max() - norms.min()) < 3 * rate


def test_gradnorm_makes_a_task_pull_harder_that_has_learned_less() -> None:
    weighting = weighting_of("gradnorm", alpha=1.0)
    rows = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    weights_of(weighting, [1.0, 5.0, 2.0], rows)
    for _ in range(400):
        weights = weights_of(weighting, [0.8, 2.0, 0.4], rows)  # 0.8, 0.4 and 0.2 of what they were
    assert (weights / weights[2]).log2().tolist() == pytest.approx([2.0, 1.0, 0.0], abs=0.15)


def test_gradnorm_steps_its_weights_alike_whatever_the_unit_of_all_losses() -> None:
    rows, losses = torch.tensor(GRADIENTS), torch.tensor([1.0, 2.0, 0.5])
    for unit in (1e-3, 1e3):
        plain, scaled = weighting_of("gradnorm"), weighting_of("gradnorm")
        for _ in range(20):
            weights = weights_of(plain, losses.tolist())
            again = weights_of(scaled, (unit * losses).tolist(), (unit * rows).tolist())
        assert again.tolist() == pytest.approx(weights.tolist(), rel=1e-3)
        assert weights.tolist() != [1.0] * 3


def test_dynamic_weight_average_is_equal_while_losses_fall_at_one_rate() -> None:
    weighting = weighting_of("dynamic-weight-average")
    losses = torch.tensor([1.0, 20.0, 0.3])
    for epoch in range(4):
        assert weights_of(weighting, [1.0, 1.0, 1.0]).tolist() == pytest.approx([1.0] * 3)
        weighting.end_epoch(losses * 0.8**epoch)


def test_dynamic_weight_average_gives_more_to_what_falls_more_slowly() -> None:
    def weights_at(temperature: float) -> Tensor:
        weighting = weighting_of("dynamic-weight-average", temperature=temperature)
        weighting.end_epoch(torch.tensor([1.0, 2.0, 4.0]))
        assert weights_of(weighting, [1.0] * 3).tolist() == [1.0] * 3
        weighting.end_epoch(torch.tensor([1.0, 1.0, 1.0]))
        return weights_of(weighting, [1.0] * 3)

    cold, warm = weights_at(0.5), weights_at(2.0)
    assert cold[0] > warm[0] > 1.0 > warm[2] > cold[2]
    assert float((warm[0] / warm[1]).log()) == pytest.approx((1.0 - 0.5) / 2.0, rel=1e-5)
    assert weights_at(1000.0).tolist() == pytest.approx([1.0] * 3, abs=1e-3)


def test_dynamic_task_prioritisation_gives_more_to_what_is_learned_less() -> None:
    def weights_with(gamma: float) -> Tensor:
        return weights_of(weighting_of("dynamic-task-prioritisation", gamma=gamma), [1.0] * 3)

    # Outputs of 1/5, 2/5 and 3/5 of the targets explain 1 - (4/5)^2 and so on of their variance.
    shares = [1.0 - (1.0 - part / 5) ** 2 for part in (1, 2, 3)]
    logarithms = [-math.log(share) for share in shares]
    unfocused, focused = weights_with(0.0), weights_with(3.0)
    assert unfocused.tolist() == pytest.approx([3 * x / sum(logarithms) for x in logarithms], rel=1e-4)
    assert unfocused[0] > unfocused[1] > unfocused[2]
    assert focused[0] / focused[2] > unfocused[0] / unfocused[2]


def test_dynamic_task_prioritisation_smooths_its_indicators_over_the_steps() -> None:
    weighting = weighting_of("dynamic-task-prioritisation", smoothing=0.75)
    linear = Linear(GRADIENTS)
    weighting.weights(linear.step)
    (first,) = weighting.buffers()
    before = first.clone()
    perfect = replace(linear.step, outputs=linear.step.targets)
    weighting.weights(perfect)
    assert first.tolist() == pytest.approx((0.75 * before + 0.25).tolist())


def test_dynamic_task_prioritisation_does_not_look_at_the_losses() -> None:
    first, other = (weighting_of("dynamic-task-prioritisation") for _ in range(2))
    assert torch.equal(weights_of(first, [1.0, 2.0, 3.0]), weights_of(other, [7.0, 0.1, 3.0]))


def test_loss_balanced_weights_give_less_to_what_fell_further_within_the_epoch() -> None:
    weighting = weighting_of("loss-balanced", alpha=0.5)
    assert weights_of(weighting, [1.0, 2.0, 4.0]).tolist() == [1.0] * 3
    weights = weights_of(weighting, [1.0, 0.5, 0.25])
    assert (weights / weights[0]).tolist() == pytest.approx([1.0, 0.5, 0.25])
    weighting.end_epoch(torch.tensor([1.0, 1.0, 1.0]))
    assert weights_of(weighting, [1.0, 0.5, 0.25]).tolist() == [1.0] * 3


def test_random_weights_differ_by_step_and_are_fair() -> None:
    weighting = weighting_of("random")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = torch.stack([weights_of(weighting, [1.0, 2.0, 0.5]) for _ in range(1000)])
    assert not torch.equal(drawn[0], drawn[1])
    assert drawn.mean(dim=0).tolist() == pytest.approx([1.0] * 3, abs=0.06)
