"""Columns of free text: token numbers for the Transformer, by a tokenizer that saw training rows only."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from grouping.data_sets.columns import ColumnKind, TargetKind
from grouping.data_sets.definitions import ProblemDefinition, Target, parse_kind
from grouping.data_sets.features import FittedInputs, fit
from grouping.data_sets.making import make
from grouping.data_sets.packed import pack, unpack
from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialRequest
from grouping.recipes import complete
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks

GOOD, BAD = ("a warm and quiet room", "we come again"), ("cold and loud", "never again here")
BOTH = {"title": ColumnKind.TEXT, "body": ColumnKind.TEXT}


def reviews(n_rows: int = 200) -> pd.DataFrame:
    """Reviews whose words tell whether they praise; some bodies are missing."""
    rng = np.random.default_rng(0)
    praises = rng.random(n_rows) < 0.5
    pick = rng.integers(0, 2, n_rows)
    title = [(GOOD if good else BAD)[n] for good, n in zip(praises, pick, strict=True)]
    body = [f"number {n} says {'yes' if good else 'no'}" for n, good in enumerate(praises)]
    frame = pd.DataFrame({"title": title, "body": body, "praises": praises, "stars": praises * 3.0 + pick})
    frame.loc[::10, "body"] = None
    return unpack(pack(frame))


def test_texts_become_numbers_side_by_side_and_a_missing_one_is_padding() -> None:
    frame = reviews()
    fitted = fit(frame, BOTH)
    assert fitted.texts is not None
    length = fitted.texts.length
    inputs = fitted.apply(frame)
    assert inputs.shape == (200, 2 * length)
    assert fitted.names[length] == "body token 1"
    assert (inputs[0, length:] == 0).all(), "a missing text"
    assert (inputs.reshape(-1, length) > 0).any(axis=0).all(), "no place is left empty by every text"
    assert inputs[1].max() < fitted.texts.vocabulary
    assert (inputs[1] != 1).all(), "no token of a training row is unknown"


def test_the_tokenizer_knows_training_rows_only_and_is_plain_data() -> None:
    frame = reviews()
    fitted = fit(frame.iloc[:150], BOTH)
    again = FittedInputs.from_mapping(json.loads(json.dumps(fitted.as_mapping())))
    assert again == fitted == fit(frame.iloc[:150], BOTH)
    rest = pd.DataFrame({"title": ["ξ" * 9, "a warm " * 500], "body": [None, None]})
    inputs = again.apply(rest)
    assert set(inputs[0]) == {0.0, 1.0}, "unknown, then padding"
    np.testing.assert_array_equal(inputs, fitted.apply(rest))


def test_a_problem_of_texts_is_trained_by_a_transformer_that_learns_from_the_words() -> None:
    definition = ProblemDefinition(
        (Target(("praises",)), Target(("stars",), TargetKind.REGRESSION)),
        inputs=("title", "body"),
        kinds=dict([parse_kind("title=text"), parse_kind("body=text")]),
    )
    made = make(reviews(), definition)
    assert made.recipe.encoder.name == "transformer"
    data = TrainingData.from_dataset(made.dataset, made.tasks)
    request = TrialRequest(Network.of("praises", "stars"), 0)
    (outcome,) = train_networks(data, [request], complete(made.recipe))
    assert [score.task for score in outcome.scores if (score.test_loss or 1) < 0.3] == ["praises", "stars"]
