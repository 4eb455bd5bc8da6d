"""Sentences of documentation: tasks of topic, pair, similarity and ranking, for a small Transformer.

The four kinds of tasks are those of Liu, He, Chen and Gao, Multi-task deep neural networks for natural
language understanding (MT-DNN), ACL 2019: classifying a sentence, classifying a pair, similarity of a pair,
ranking candidates. The text is that of installed libraries (see `grouping.problems.docstrings`), so it
depends on their versions; the digest of the data, recorded with every job, tells whether two installations
have the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.problems.docstrings import Passage, read_passages
from grouping.problems.problem import Problem

Sentence = tuple[str, ...]

TOPICS = (
    ("numpy",),
    ("scipy",),
    ("sklearn",),
    ("networkx",),
    ("pandas",),
)
"""Packages whose text makes up each topic."""
ROWS_PER_TOPIC = 800
"""About as many: the last module that is taken is taken whole."""
SENTENCES_READ = 1_700
"""Of each topic, in passages of at least two, so that pairs are at least half as many."""
SHARES = (0.6, 0.2, 0.2)
"""Of the rows of a topic that train, validate and test; modules are not divided."""
LENGTH = 16
"""Words of a sentence that are seen; the rest is cut."""
N_CANDIDATES = 4
N_SEGMENTS = 2 + N_CANDIDATES
"""A sentence, one that may follow it, and the candidates of the ranking."""
N_WORDS = 1_000
"""The most frequent words of the training rows have numbers of their own."""
UNKNOWN = 1
"""Number of every other word; 0 is padding."""

_TASKS = (
    Task.multiclass("topic", len(TOPICS)).reading(0),
    Task.binary("follows").reading(0, 1),
    Task.regression("similarity").reading(0, 1),
    Task.ranking("answer", 0, tuple(range(2, N_SEGMENTS))),
)


@dataclass(frozen=True, slots=True)
class UnnumberedRow:
    """A row before its sentences are cut and its words are numbered.

    Attributes:
        topic: topic of the first sentence.
        segments: the first sentence, one to compare it with, and the candidates.
        follows: whether the second one follows the first.
        answer: which candidate follows the first.
    """

    topic: int
    segments: tuple[Sentence, ...]
    follows: bool
    answer: int


def _load(seed: int) -> Dataset:
    passages = read_passages(TOPICS, SENTENCES_READ)
    generator = np.random.default_rng(seed)
    parts = split_by_module(passages, generator)
    rows = [make_rows(part, generator) for part in parts]
    words = Counter(word for row in rows[0] for sentence in row.segments for word in sentence)
    # Ties are broken by the word itself: the order must not depend on anything else.
    ranked = sorted(words, key=lambda word: (-words[word], word))
    numbers = {word: number for number, word in enumerate(ranked[:N_WORDS], start=UNKNOWN + 1)}
    weights = inverse_frequencies(sentence for row in rows[0] for sentence in row.segments)
    every = [row for part in rows for row in part]
    inputs = number_words(every, numbers)
    similarities = [similarity(row.segments[0], row.segments[1], weights) for row in every]
    targets: dict[str, NDArray[Any]] = {
        "topic": np.array([row.topic for row in every], dtype=np.int64),
        "follows": np.array([row.follows for row in every], dtype=np.float32),
        "similarity": np.array(similarities, dtype=np.float32)[:, None],
        "answer": np.array([row.answer for row in every], dtype=np.int64),
    }
    ends = np.cumsum([len(part) for part in rows])
    train, validation, test = np.split(np.arange(len(every), dtype=np.int64), ends[:2])
    return Dataset(inputs, targets, train, validation, test)


def split_by_module(passages: Iterable[Passage], generator: np.random.Generator) -> list[list[Passage]]:
    """Split passages into training, validation and test parts by module, topics in like shares."""
    parts: list[list[Passage]] = [[], [], []]
    by_topic: dict[int, dict[str, list[Passage]]] = {}
    for passage in passages:
        by_topic.setdefault(passage.topic, {}).setdefault(passage.module, []).append(passage)
    for modules in by_topic.values():
        counts = [0, 0, 0]
        names = list(modules)
        for name in (names[i] for i in generator.permutation(len(names))):
            if sum(counts) >= ROWS_PER_TOPIC:
                break
            part = min(range(3), key=[c / share for c, share in zip(counts, SHARES, strict=True)].__getitem__)
            parts[part] += modules[name]
            counts[part] += sum(len(passage.sentences) - 1 for passage in modules[name])
    return parts


def make_rows(passages: Sequence[Passage], generator: np.random.Generator) -> list[UnnumberedRow]:
    """Make a row for every two neighbouring sentences; others are drawn from the other topics."""
    elsewhere = {
        topic: [sentence for p in passages if p.topic != topic for sentence in p.sentences]
        for topic in {passage.topic for passage in passages}
    }
    rows = []
    for passage in passages:
        others = elsewhere[passage.topic]
        for first, second in pairwise(passage.sentences):
            wrong = [others[i] for i in generator.integers(len(others), size=N_CANDIDATES)]
            follows, answer = bool(generator.integers(2)), int(generator.integers(N_CANDIDATES))
            candidates = [*wrong[1 : answer + 1], second, *wrong[answer + 1 :]]
            compared = second if follows else wrong[0]
            rows.append(UnnumberedRow(passage.topic, (first, compared, *candidates), follows, answer))
    return rows


def number_words(rows: Sequence[UnnumberedRow], numbers: dict[str, int]) -> NDArray[np.float32]:
    """Convert words of all segments to numbers, side by side, ``[rows, N_SEGMENTS * LENGTH]``."""
    inputs = np.zeros((len(rows), N_SEGMENTS, LENGTH), dtype=np.float32)
    for r, row in enumerate(rows):
        for s, sentence in enumerate(row.segments):
            seen = [numbers.get(word, UNKNOWN) for word in sentence[:LENGTH]]
            inputs[r, s, : len(seen)] = seen
    return inputs.reshape(len(rows), -1)


def inverse_frequencies(sentences: Iterable[Sentence]) -> dict[str, float]:
    """Weight each word: ``1 + log((1 + n) / (1 + n with the word))`` over different sentences."""
    different = set(sentences)
    found = Counter(word for sentence in different for word in set(sentence))
    return {word: 1.0 + math.log((1 + len(different)) / (1 + count)) for word, count in found.items()}


def similarity(one: Sentence, other: Sentence, weights: dict[str, float]) -> float:
    """Compute the cosine of weighted word counts, 0 to 1; unknown words have the largest weight."""
    unseen = max(weights.values())
    vectors = [
        {word: count * weights.get(word, unseen) for word, count in Counter(sentence).items()}
        for sentence in (one, other)
    ]
    norms = [math.sqrt(sum(value * value for value in vector.values())) for vector in vectors]
    # In the order of the words and not of a set, whose order differs between processes.
    product = sum(value * vectors[1].get(word, 0.0) for word, value in vectors[0].items())
    return product / (norms[0] * norms[1])


SENTENCES = Problem(
    "sentences",
    "Sentences of documentation, four tasks",
    "Neighbouring sentences from the documentation of numpy, scipy, scikit-learn, networkx and pandas as "
    "installed, cut, with words as numbers. From these: which of the five libraries the first sentence is "
    "from, whether the second follows it, how alike the two were with all their words, and which of four "
    "candidates follows the first. The text depends on the installed versions.",
    _TASKS,
    _load,
    Recipe(
        hidden=(48,),
        epochs=6,
        batch_size=64,
        learning_rate=0.003,
        weight_decay=0.1,
        encoder=Method(
            "transformer",
            {
                "vocabulary": N_WORDS + UNKNOWN + 1,
                "n_segments": N_SEGMENTS,
                "max_length": LENGTH,
                "n_heads": 4,
                "feed_forward": 1,
                "dropout": 0.3,
            },
        ),
    ),
)
