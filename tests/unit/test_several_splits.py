"""Several splits: what the verdict tells over them, and that each fresh seed is trained on its own split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.data_sets.definitions import ProblemDefinition, Target, parse_split
from grouping.data_sets.making import make
from grouping.domain.groupings import Grouping
from grouping.domain.jobs.job import TEST_PER_TRAIN, Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.tasks import Task
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.splits import FreshSplits
from grouping.domain.trainings.trials import Purpose, Trial, TrialRequest, TrialState
from grouping.domain.verdicts.baselines import BOTH_BASELINES
from grouping.domain.verdicts.verdict import Comparison, Verdict, judge
from grouping.errors import InvalidInputError
from grouping.trainers.stacks import make_stacks
from grouping.trainers.workers import WorkerContext
from grouping.training.worker import WorkerMaker
from tests.frames import shop
from tests.tables import make_table

SPEC = JobSpec("p", ("a", "b"), n_confirmation_seeds=4, n_splits=4, seed=3)
ON_ONE_SPLIT = [0.08, 0.10, 0.12, 0.10]


def verdict_of(on_one_split: list[float], elsewhere: list[float], test_per_train: float) -> Verdict:
    """Two tasks, a network and a half, with these gains over both baselines, by seed; NaN was not trained."""
    job = Job("0" * 32, SPEC, JobState.SUCCEEDED, "1" * 32, settled={TEST_PER_TRAIN: test_per_train})
    pair, half = Network.of("a", "b"), Network.of("b", size=0.5)
    networks = [pair, half]
    for baseline in BOTH_BASELINES.of_cost(("a", "b"), 2.0):
        networks += baseline.networks
    gains: FloatArray = np.array([*on_one_split, *elsewhere], dtype=np.float64)
    losses = np.ones((len(networks), 2, len(gains)))
    losses[:2] = 1 - gains
    table = replace(
        make_table(tuple(networks), (Task("a"), Task("b")), losses), seeds=SPEC.confirmation_seeds
    )
    return judge(Grouping(("a", "b"), (half, pair), (1, 0)), 2.0, table, splits=job.fresh_splits)


def first(verdict: Verdict) -> Comparison:
    return verdict.comparisons[0]


def test_seeds_of_further_splits_are_others_and_stay_when_more_are_asked_for() -> None:
    assert SPEC.confirmation_seeds == (3500, 3501, 3502, 3503, 3601, 3602, 3603)
    assert replace(SPEC, n_splits=9).split_seeds[:3] == SPEC.split_seeds
    assert replace(SPEC, n_splits=None).confirmation_seeds == (3500, 3501, 3502, 3503)
    with pytest.raises(InvalidInputError, match="needs fresh seeds"):
        replace(SPEC, n_confirmation_seeds=0)


def test_over_splits_the_error_is_that_of_nadeau_and_bengio_and_over_seeds_as_before() -> None:
    found = first(verdict_of(ON_ONE_SPLIT, [0.05, 0.15, 0.10], test_per_train=0.25))
    assert found.n_seeds == 4
    assert found.gain == pytest.approx(0.1)
    assert found.standard_error == pytest.approx(np.std(ON_ONE_SPLIT, ddof=1) / 2)
    splits = found.over_splits
    assert splits is not None
    drawn = [0.08, 0.05, 0.15, 0.10]  # the first seed stands for the split of the search
    assert splits.n_splits == 4
    assert splits.gain == pytest.approx(np.mean(drawn))
    assert splits.standard_error == pytest.approx(np.sqrt((1 / 4 + 0.25) * np.var(drawn, ddof=1)))


def test_a_gain_is_claimed_only_if_it_is_certain_over_seeds_and_over_splits() -> None:
    alike, apart = [0.09, 0.11, 0.10], [0.01, 0.20, -0.05]
    assert verdict_of(ON_ONE_SPLIT, alike, 0.25).is_worth_it
    assert "; over 4 splits +9.5 % ± 0.9 %, t = " in verdict_of(ON_ONE_SPLIT, alike, 0.25).sentence()
    refused = verdict_of(ON_ONE_SPLIT, apart, 0.25)
    assert refused.is_confirmed
    assert not refused.is_worth_it
    assert "and over as many splits, is needed" in refused.sentence()
    assert not verdict_of(ON_ONE_SPLIT, [0.1, 0.1, np.nan], 0.25).is_worth_it, "a split was not trained"
    assert "over 3 of 4 splits" in verdict_of(ON_ONE_SPLIT, [0.1, 0.1, np.nan], 0.25).sentence()


def test_gains_that_are_the_same_on_every_split_are_certain() -> None:
    splits = FreshSplits(0, (1, 2), 0.5).gain([0.25, 0.25, 0.25], (0, 1, 2))
    assert (splits.t, splits.words()) == (np.inf, "over 3 splits +25.0 % ± 0.0 %, t = inf")


def test_a_stack_has_one_split_and_its_networks_are_trained_on_it() -> None:
    definition = ProblemDefinition(
        (Target(("price",)),), without=("day", "clicked"), split=parse_split("random")
    )
    made = [make(shop(), definition, number) for number in range(2)]
    assert not np.array_equal(made[0].dataset.inputs, made[1].dataset.inputs), "fitted to other rows"
    network, recipe = Network.of("price"), Recipe(hidden=(4,), epochs=2, batch_size=32)
    maker = WorkerMaker("digest", made[0].tasks, recipe, split_seeds=(601,))
    both = maker([one.dataset for one in made], WorkerContext())
    losses = {}
    for number, one in enumerate(made):
        alone = replace(maker, split_seeds=())([one.dataset], WorkerContext())
        losses[number] = alone.train([TrialRequest(network, 601)])[0].scores
    assert both.train([TrialRequest(network, 601)])[0].scores == losses[1] != losses[0]
    assert both.train([TrialRequest(network, 500)])[0].scores != losses[1]
    trials = [
        Trial(str(n), n, network, Purpose.CONFIRMATION, seed, 1.0, TrialState.PLANNED)
        for n, seed in enumerate((500, 601))
    ]
    for engine in (Engine.STACKED, Engine.VMAP):
        stacks = make_stacks(trials, 1, engine, split_of=lambda seed: int(seed == 601))
        assert [len(stack.trials) for stack in stacks] == [1, 1]
