"""The Transformer: costs counted by hand, padding, texts by themselves, and heads by what a task reads."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.errors import InvalidInputError
from grouping.training.blueprint import Blueprint
from grouping.training.cost import measure_costs
from grouping.training.encoders.transformer import N_BUCKETS, TransformerEncoder
from grouping.training.methods import build_encoder, build_network

SEGMENTS, LENGTH, WIDTH = 4, 5, 8
N_FEATURES = SEGMENTS * LENGTH
ONE = Task.multiclass("one", 3).reading(2)
PAIR = Task.binary("pair").reading(0, 3)
RANKING = Task.ranking("ranking", 1, (0, 2, 3))
WHOLE = Task.regression("whole", 2)
TASKS = (ONE, PAIR, RANKING, WHOLE)


def encoder_of(n_features: int = N_FEATURES, **parameters: Any) -> TransformerEncoder:
    given = {"vocabulary": 20, "n_segments": SEGMENTS, "n_heads": 2} | parameters
    built = build_encoder(Recipe((WIDTH, WIDTH), encoder=Method("transformer", given)), n_features)
    assert isinstance(built, TransformerEncoder)
    return built


def tokens(*texts: list[int], length: int = LENGTH) -> Tensor:
    """One row of these texts, each padded to one length."""
    padded = [text + [0] * (length - len(text)) for text in texts]
    return torch.tensor([[token for text in padded for token in text]], dtype=torch.float32)


ROW = ([3, 4, 5], [1, 2], [6, 7, 8, 9, 10], [11])


def run(encoder: TransformerEncoder, inputs: Tensor, like: Blueprint | None = None) -> Tensor:
    """Features of the last stage in evaluation; with the weights of another blueprint if one is given."""
    stages = Blueprint(encoder, (WIDTH, WIDTH), ()).stages().eval()
    stages.load_state_dict((like or Blueprint(encoder, (WIDTH, WIDTH), ())).stages().state_dict())
    # What starts at zero or alike would hide mistakes.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stages.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        features = inputs
        for stage in stages:
            features = stage(features)
    return features


@pytest.mark.parametrize("feed_forward", [1, 4])
def test_a_block_costs_its_linear_maps_and_products_between_tokens_of_a_text(feed_forward: int) -> None:
    given = {"vocabulary": 20, "n_segments": SEGMENTS, "n_heads": 2, "feed_forward": feed_forward}
    recipe = Recipe((WIDTH, WIDTH), encoder=Method("transformer", given))
    network = Network.of(*(task.name for task in TASKS))
    (cost,) = measure_costs(N_FEATURES, TASKS, [network], recipe)
    linear = N_FEATURES * (4 + 2 * feed_forward) * WIDTH * WIDTH
    attention = SEGMENTS * 2 * LENGTH * LENGTH * WIDTH
    assert cost.encoder_multiply_adds == 2 * (linear + attention)
    assert cost.head_multiply_adds == {
        "one": WIDTH * 3,
        "pair": 4 * WIDTH,
        "ranking": 3 * 4 * WIDTH,
        "whole": SEGMENTS * WIDTH * 2,
    }


def test_a_text_that_is_padded_longer_has_the_same_features() -> None:
    short, long = encoder_of(), encoder_of(SEGMENTS * 9)
    weights = Blueprint(short, (WIDTH, WIDTH), ())
    one = run(short, tokens(*ROW), weights).reshape(SEGMENTS, LENGTH, WIDTH)
    other = run(long, tokens(*ROW, length=9), weights).reshape(SEGMENTS, 9, WIDTH)
    assert torch.allclose(one, other[:, :LENGTH], atol=1e-6)
    assert (other[:, LENGTH:] == 0).all()
    head = Blueprint(short, (WIDTH, WIDTH), TASKS)
    for task in TASKS:
        short_answer, long_answer = (head.head(task)(f.reshape(1, -1, WIDTH)) for f in (one, other))
        assert torch.allclose(short_answer, long_answer, atol=1e-6)
    assert torch.allclose(
        short.summary(one.reshape(1, -1, WIDTH)), long.summary(other.reshape(1, -1, WIDTH)), atol=1e-6
    )


def test_no_text_of_a_row_sees_another_and_all_have_the_same_weights() -> None:
    encoder = encoder_of()
    straight = run(encoder, tokens(*ROW)).reshape(SEGMENTS, LENGTH, WIDTH)
    turned = run(encoder, tokens(*ROW[::-1])).reshape(SEGMENTS, LENGTH, WIDTH)
    assert torch.allclose(straight, turned.flip(0), atol=1e-6)


def test_the_order_of_words_matters_and_so_does_every_word() -> None:
    encoder = encoder_of()
    rows = torch.cat([tokens(text, *ROW[1:]) for text in ([3, 4, 5], [3, 5, 4], [3, 4, 6])])
    first_words = run(encoder, rows).reshape(3, SEGMENTS, LENGTH, WIDTH)[:, 0, 0]
    assert not torch.allclose(first_words[0], first_words[1], atol=1e-3)
    assert not torch.allclose(first_words[0], first_words[2], atol=1e-3)


def test_a_text_without_words_is_all_zeros_and_finite_for_every_head() -> None:
    encoder = encoder_of()
    features = run(encoder, tokens([3], [], [], []))
    assert (features.reshape(SEGMENTS, LENGTH, WIDTH)[1:] == 0).all()
    blueprint = Blueprint(encoder, (WIDTH,), TASKS)
    assert all(torch.isfinite(blueprint.head(task)(features)).all() for task in TASKS)


def test_a_task_sees_the_texts_that_it_reads_and_no_other() -> None:
    encoder = encoder_of()
    blueprint = Blueprint(encoder, (WIDTH,), TASKS)
    texts = torch.rand(1, SEGMENTS, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1))
    for task in TASKS:
        head = blueprint.head(task)
        for segment in range(SEGMENTS):
            changed = texts.clone()
            changed[:, segment] += torch.linspace(0, 1, WIDTH)
            same = torch.equal(head(texts.reshape(1, -1, WIDTH)), head(changed.reshape(1, -1, WIDTH)))
            assert same == (bool(task.reads) and segment not in task.reads)


def test_candidates_in_another_order_have_the_same_scores_in_that_order() -> None:
    encoder = encoder_of()
    features = torch.rand(2, N_FEATURES, WIDTH, generator=torch.Generator().manual_seed(1))
    other_way = Task.ranking("ranking", 1, (3, 0, 2))
    scores = Blueprint(encoder, (WIDTH,), ()).head(RANKING)(features)
    turned = Blueprint(encoder, (WIDTH,), ()).head(other_way)(features)
    assert torch.allclose(scores[:, [2, 0, 1]], turned)


def test_a_pair_the_other_way_round_is_another_pair() -> None:
    features = torch.rand(2, N_FEATURES, WIDTH, generator=torch.Generator().manual_seed(1))
    blueprint = Blueprint(encoder_of(), (WIDTH,), ())
    assert not torch.allclose(blueprint.head(PAIR)(features), blueprint.head(PAIR.reading(3, 0))(features))


def test_a_block_starts_by_leaving_the_words_alone() -> None:
    encoder = encoder_of()
    stages = Blueprint(encoder, (WIDTH, WIDTH), ()).stages()
    with torch.no_grad():
        first = stages[0](tokens(*ROW))
        assert torch.allclose(stages[1](first), first, atol=1e-4)


def test_dropout_acts_in_training_only() -> None:
    encoder = encoder_of(dropout=0.5)
    stages = Blueprint(encoder, (WIDTH,), ()).stages()
    row = tokens(*ROW)
    assert not torch.equal(stages[0](row), stages[0](row))
    stages.eval()
    assert torch.equal(stages[0](row), stages[0](row))


def test_a_row_is_routed_by_which_words_it_has_and_not_by_its_padding() -> None:
    short, long = encoder_of(), encoder_of(SEGMENTS * 9)
    one, other = short.gate_inputs(tokens(*ROW)), long.gate_inputs(tokens(*ROW, length=9))
    assert one.shape == (1, N_BUCKETS) == (1, short.n_gate_inputs)
    assert torch.equal(one, other)
    assert not torch.equal(one, short.gate_inputs(tokens([3, 4, 12], *ROW[1:])))
    assert float(one.exp().sub(1).sum()) == pytest.approx(sum(map(len, ROW)))


def test_padding_stays_padding_through_a_pointwise_map() -> None:
    features = run(encoder_of(), tokens(*ROW))
    mapped = Blueprint(encoder_of(), (WIDTH,), ()).pointwise(WIDTH, 6)(features)
    assert torch.equal((mapped != 0).any(dim=-1), (features != 0).any(dim=-1))


@pytest.mark.parametrize(("hidden", "fitting"), [((8, 6), "8, 8"), ((7,), "8"), ((1, 1), "2, 2")])
def test_widths_that_heads_of_attention_cannot_share_are_refused(
    hidden: tuple[int, ...], fitting: str
) -> None:
    recipe = Recipe(hidden, encoder=Method("transformer", {"vocabulary": 9, "n_heads": 2}))
    with pytest.raises(InvalidInputError, match=f"such as {fitting}") as caught:
        build_encoder(recipe, 10)
    assert caught.value.pointer == "/hidden"


def test_scaled_widths_are_whole_units_per_head_and_never_fewer_than_one() -> None:
    encoder = encoder_of(n_heads=4)
    assert encoder.scaled((32, 32), Fraction(1, 2)) == (16, 16)
    assert encoder.scaled((32, 32), Fraction(19, 32)) == (16, 16)
    assert encoder.scaled((32, 32), Fraction(1, 100)) == (4, 4)
    for numerator in range(1, 100):
        encoder.check_widths(encoder.scaled((32, 32), Fraction(numerator, 32)))


@pytest.mark.parametrize("bad", [20.0, -1.0, 2.5])
def test_inputs_that_are_no_token_numbers_are_refused(bad: float) -> None:
    inputs = tokens(*ROW)
    inputs[0, 7] = bad
    recipe = Recipe((8,), encoder=Method("transformer", {"vocabulary": 20, "n_segments": SEGMENTS}))
    network = build_network(recipe, Blueprint(build_encoder(recipe, N_FEATURES), (8,), (ONE,)))
    with pytest.raises(InvalidInputError, match="no token numbers from 0 to 19") as caught:
        network(inputs)
    assert caught.value.pointer == "/encoder/parameters/vocabulary"


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [({"n_segments": 3}, "/n_segments"), ({"max_length": 4}, "/max_length")],
)
def test_a_layout_that_rows_do_not_have_is_refused(parameters: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        encoder_of(**parameters)
    assert caught.value.pointer == f"/encoder/parameters{pointer}"


@pytest.mark.parametrize("task", [Task.binary("far").reading(4), Task.ranking("far", 0, (1, 9))])
def test_a_task_about_a_text_that_rows_do_not_have_is_refused(task: Task) -> None:
    with pytest.raises(InvalidInputError, match=r"'far' reads segment \d, counted from 0, but a row has 4"):
        Blueprint(encoder_of(), (WIDTH,), ()).head(task)


def test_a_ranking_needs_a_text_per_candidate_and_one_more() -> None:
    task = Task.ranking("best", 0, (1, 2)).reading()
    with pytest.raises(InvalidInputError, match="ranks 2 candidates and needs 3 segments"):
        Blueprint(encoder_of(), (WIDTH,), ()).head(task)
