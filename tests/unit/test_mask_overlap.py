"""The overlap of the masks of sparse sharing: measured with every training, averaged, and put into words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from grouping.domain.affinities.joint_matrices import joint_affinities
from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, MASK_OVERLAP, JointAffinities, JointRun
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import METHODS
from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.training.affinities import AffinityMeter
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.sharing.sparse import SparseSharing
from tests.unit.test_training_loop import TASKS, make_dataset

SPARSE = Method("sparse", {"rounds": 2, "rate": 0.4, "round_epochs": 0.4})
RECIPE = Recipe(hidden=(8, 6), epochs=3, batch_size=50, learning_rate=0.02, sharing=SPARSE)
TOGETHER = Network.of("class", "sign", "sum", size=3.0)
NAMES = ("a", "b", "c")
CELLS = np.array([[0.5, 0.6, 0.2], [0.6, 0.4, 0.3], [0.2, 0.3, 0.25]])
"""Overlaps of three masks, and on the diagonal the share of the weights that each keeps."""


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=200), TASKS)


def test_every_training_of_several_tasks_measures_it_also_where_nobody_asks(data: TrainingData) -> None:
    training = Training(data, TrialRequest(TOGETHER, 0), RECIPE)
    while not training.is_finished:
        training.run_epoch()
    network, found = training.network, training.affinities()
    assert isinstance(network, SparseSharing)
    assert found is not None
    assert (found.tasks, set(found.values), found.n_steps) == (network.task_names, {MASK_OVERLAP}, 0)
    off = ~np.eye(3, dtype=bool)
    cells = found.values[MASK_OVERLAP]
    assert np.array_equal(cells[off], network.overlap().numpy()[off])
    assert np.array_equal(cells.diagonal(), network.densities().numpy())
    assert 0 < cells[off].min() < 1
    assert (cells.diagonal() < 1).any(), "something was pruned"


def test_it_stands_beside_what_gradients_say_and_a_task_alone_has_none(data: TrainingData) -> None:
    alone, asked = Network.of("sum"), TrialRequest(TOGETHER, 0, measures_affinity=True)
    found, unasked = (
        train_network(data, r, RECIPE) for r in (asked, replace(asked, measures_affinity=False))
    )
    assert found.affinities is not None
    assert unasked.affinities is not None
    assert set(found.affinities.values) == {*GRADIENT_METHODS, MASK_OVERLAP}
    assert found.affinities.n_steps > 0
    masks = found.affinities.without_gradients()
    assert masks is not None
    assert np.array_equal(masks.values[MASK_OVERLAP], unasked.affinities.values[MASK_OVERLAP])
    assert train_network(data, TrialRequest(alone, 0), RECIPE).affinities is None


def test_networks_without_masks_measure_nothing_unasked(data: TrainingData) -> None:
    plain = replace(RECIPE, sharing=Method("hard"))
    assert train_network(data, TrialRequest(TOGETHER, 0), plain).affinities is None


def test_look_aheads_and_cosines_work_with_masks(data: TrainingData) -> None:
    training = Training(data, TrialRequest(TOGETHER, 0), RECIPE)
    network, norms = training.network, training.normalisations
    for name, mask in network.named_buffers():
        draws = torch.rand(mask.shape[1:], generator=torch.Generator().manual_seed(0)) < 0.5
        network.get_buffer(name).copy_(torch.stack([draws, draws, ~draws]))
    training.optimiser.param_groups[0]["lr"] = rate = 0.05
    meter = AffinityMeter(network, norms, training.optimiser, 1)
    rows, wanted = data.train.inputs[:50], [data.train.targets[t][:50] for t in network.task_names]

    def losses() -> torch.Tensor:
        return torch.stack([n.loss(o, t) for n, o, t in zip(norms, network(rows), wanted, strict=True)])

    meter.observe(0, rows, wanted, list(losses()))
    found, weights = meter.means(), network.shared_parameters()
    assert set(found) == set(GRADIENT_METHODS)
    assert np.isfinite(np.stack(list(found.values()))).all()
    gradients = meter.shared_gradients(list(losses()))
    start = torch.nn.utils.parameters_to_vector(weights.values())
    for source, gradient in enumerate(gradients):
        with torch.no_grad():
            before = losses()
            torch.nn.utils.vector_to_parameters(start - rate * gradient, weights.values())
            assert found["tag"][source] == pytest.approx((1 - losses() / before).numpy(), abs=1e-5)
            torch.nn.utils.vector_to_parameters(start, weights.values())
    is_pruned = torch.cat([torch.full((w.numel(),), w.dim() > 1) for w in weights.values()])
    assert gradients[:, is_pruned].any(dim=1).all()
    assert float(gradients[0, is_pruned] @ gradients[1, is_pruned]) != 0.0
    assert float(gradients[0, is_pruned] @ gradients[2, is_pruned]) == 0.0, "no weight in common"


# --- matrices


def run_of(cells: np.ndarray, seed: int, tasks: tuple[str, ...] = NAMES, size: float = 1.0) -> JointRun:
    masks = JointAffinities(tasks, {MASK_OVERLAP: cells}, 0, np.full(cells.shape, 0.1))
    return JointRun(Network.of(*tasks, size=size), seed, masks)


def matrix_of(*runs: JointRun) -> AffinityMatrix:
    found = joint_affinities(NAMES, runs or [run_of(CELLS, 0), run_of(CELLS - 0.1, 1)])
    assert tuple(found) == (MASK_OVERLAP,)
    return found[MASK_OVERLAP]


def test_overlaps_are_averaged_over_seeds_with_the_shares_kept_apart() -> None:
    matrix = matrix_of()
    assert matrix.values[0, 1] == matrix.values[1, 0] == pytest.approx(0.55)
    assert matrix.standard_errors[0, 1] == pytest.approx(0.05)
    assert matrix.n_networks[0].tolist() == [0, 1, 1]
    assert matrix.self_values == pytest.approx([0.45, 0.35, 0.2])
    assert np.isnan(np.diag(matrix.values)).all()
    assert matrix.warnings == (), "how many samples tasks share does not matter to masks"


def test_it_says_when_there_is_one_seed_and_when_networks_are_mixed_or_pairs_missing() -> None:
    matrix = matrix_of(run_of(CELLS[:2, :2], 0, ("a", "b")), run_of(CELLS[:2, :2], 0, ("a", "b"), 0.5))
    text = " ".join(matrix.warnings)
    for words in ("One seed only", "different sizes", "not been measured: a and c, b and c."):
        assert words in text
    assert matrix.n_networks[0, 1] == 2


def test_other_methods_do_not_count_the_networks_that_measured_masks_alone() -> None:
    cells = {"tag": np.full((3, 3), 0.01), MASK_OVERLAP: CELLS}
    joint = JointRun(Network.of(*NAMES), 0, JointAffinities(NAMES, cells, 5, np.ones((3, 3))))
    found = joint_affinities(NAMES, [joint, run_of(CELLS[:2, :2], 0, ("a", "b")), run_of(CELLS, 1)])
    assert found["tag"].n_networks[0, 1] == 1
    assert len(found["tag"].warnings) == 1
    assert np.isnan(found["tag"].standard_errors[0, 1]), "one seed measured gradients"
    assert found[MASK_OVERLAP].n_networks[0, 1] == 2
    assert any("different groups" in warning for warning in found[MASK_OVERLAP].warnings)


def test_masks_drawn_at_random_overlap_by_the_formula_that_the_method_names() -> None:
    generator = np.random.default_rng(0)
    p, q = generator.random((2, 200_000)) < np.array([[0.5], [0.25]])
    matrix = matrix_of(run_of(CELLS, 0))
    assert matrix.at_random is not None
    assert matrix.at_random[0, 2] == pytest.approx((p & q).sum() / (p | q).sum(), abs=0.005)
    assert matrix.at_random[2, 0] == matrix.at_random[0, 2] == pytest.approx(0.125 / 0.625)
    assert "pq / (p + q - pq)" in METHODS[MASK_OVERLAP].meaning
    assert matrix.reordered((2, 1, 0)).at_random == pytest.approx(matrix.at_random[::-1, ::-1], nan_ok=True)


def test_an_overlap_is_a_plain_number_without_a_sign_and_no_help() -> None:
    matrix = matrix_of(run_of(CELLS, 0))
    assert (matrix.is_effect, matrix.is_share) == (False, False)
    assert matrix.shown(0.6) == "0.60"
    assert matrix.summary() == "a and b overlap most (0.60); a and c least (0.20)."
    page = matrix._repr_html_()
    assert "<td>0.60</td>" in page
    assert "help" not in matrix.summary() + page
    pair = matrix_of(run_of(CELLS[:2, :2], 0, ("a", "b")))
    assert pair.summary() == "a and b overlap most (0.60)."


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_an_overlap_outside_0_to_1_is_refused(value: float) -> None:
    with pytest.raises(InvalidInputError, match="0 to 1"):
        run_of(np.full((3, 3), value), 0)


def test_gradients_need_a_measured_step_and_masks_do_not() -> None:
    with pytest.raises(InvalidInputError, match="at least one measured step"):
        JointAffinities(NAMES, {"tag": CELLS, MASK_OVERLAP: CELLS}, 0, np.ones((3, 3)))
    assert run_of(CELLS, 0).affinities.n_steps == 0
