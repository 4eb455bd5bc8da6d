"""Sentences of documentation: what is read, how rows are made of it, and that no text is in two parts."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grouping.domain.trainings.datasets import Dataset
from grouping.errors import InvalidInputError
from grouping.problems import sentences
from grouping.problems.docstrings import Passage, read_passages, sentences_of
from grouping.problems.sentences import LENGTH, N_CANDIDATES, N_SEGMENTS, SENTENCES, UNKNOWN, make_rows

DOCSTRING = """Return the `first` value of :func:`~some.module.pick`. It is the **smallest** of all of them.

Another paragraph has one sentence that is long enough.

>>> pick([1, 2])
1

Parameters
----------
values : list of numbers
    These are the values that are looked at. Too short here. They may be
    given in any order at all.

See Also
--------
other : This is another function that might be of use.
"""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return SENTENCES.load()


def texts_of(dataset: Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return dataset.inputs.reshape(len(dataset.inputs), N_SEGMENTS, LENGTH)


def test_prose_is_read_by_paragraph_without_markup_examples_and_headings() -> None:
    found = [[words and " ".join(words) for words in paragraph] for paragraph in sentences_of(DOCSTRING)]
    assert [paragraph for paragraph in found if any(paragraph)] == [
        ["return the first value of some module pick", "it is the smallest of all of them"],
        ["another paragraph has one sentence that is long enough"],
        ["these are the values that are looked at", None, "they may be given in any order at all"],
    ]


def test_libraries_are_read_and_not_imported_and_read_alike_in_every_process() -> None:
    code = (
        "import sys, hashlib; from grouping.problems.docstrings import read_passages;"
        "found = read_passages((('networkx.utils',), ('sklearn.utils',)), 60);"
        "print(hashlib.sha256(repr(found).encode()).hexdigest(), {'networkx', 'sklearn'} & set(sys.modules))"
    )
    answers = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(answers) == 1
    assert answers.pop().split()[1:] == ["set()"]


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(InvalidInputError, match="no_such_library, which is not installed"):
        read_passages((("no_such_library.part",),), 10)


def test_files_that_are_no_python_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "broken_library"
    library.mkdir()
    (library / "__init__.py").write_text("")
    (library / "template.py").write_text("def {{ name }}(): pass")
    (library / "latin.py").write_bytes(b'"""Gr\xfc\xdfe."""')
    (library / "good.py").write_text(f'def f():\n    """{DOCSTRING}"""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    (passage,) = read_passages((("broken_library",),), 10)
    assert (passage.module, len(passage.sentences)) == ("broken_library/good.py", 2)


def test_no_sentence_is_in_two_passages() -> None:
    found = [s for p in read_passages(sentences.TOPICS, sentences.SENTENCES_READ) for s in p.sentences]
    assert len(found) == len(set(found)) > 5_000


def test_no_module_is_in_two_parts_and_topics_have_like_shares() -> None:
    passages = read_passages(sentences.TOPICS, sentences.SENTENCES_READ)
    parts = sentences.split_by_module(passages, np.random.default_rng(0))
    modules = [{(p.topic, p.module) for p in part} for part in parts]
    assert sum(map(len, modules)) == len(set.union(*modules))
    for topic in range(len(sentences.TOPICS)):
        counts = [sum(len(p.sentences) - 1 for p in part if p.topic == topic) for part in parts]
        assert np.allclose(np.array(counts) / sum(counts), sentences.SHARES, atol=0.15)


def test_same_seed_same_data_and_another_seed_other_data(dataset: Dataset) -> None:
    assert SENTENCES.load().digest() == dataset.digest() != SENTENCES.load(1).digest()


def test_a_few_thousand_rows_of_token_numbers_and_padding_at_the_end(dataset: Dataset) -> None:
    assert 3_000 < len(dataset.inputs) < 5_000
    assert 1_500 < len(dataset.train) < 3_000
    texts = texts_of(dataset)
    vocabulary = SENTENCES.recipe.encoder.parameters["vocabulary"]
    assert set(np.unique(texts)) <= set(range(vocabulary))
    assert texts.max() == vocabulary - 1
    assert ((texts[..., 1:] > 0) <= (texts[..., :-1] > 0)).all()
    assert (texts[..., 0] > 0).all()
    assert 0.02 < (texts[texts > 0] == UNKNOWN).mean() < 0.3


def test_words_are_numbered_by_how_often_they_are_in_the_training_rows(dataset: Dataset) -> None:
    counts = np.bincount(texts_of(dataset)[dataset.train].astype(np.int64).ravel())[UNKNOWN + 1 :]
    # Of all words, those beyond the cut too: about in this order of those that are seen.
    assert counts[0] == counts.max()
    assert counts[:100].mean() > 5 * counts[100:].mean()


def passages(n_topics: int = 3) -> list[Passage]:
    return [
        Passage(topic, f"m{i}", ((f"a{topic}{i}", "x"), (f"b{topic}{i}", "x"), (f"c{topic}{i}", "x")))
        for topic in range(n_topics)
        for i in range(4)
    ]


def test_a_row_has_the_follower_where_it_says_and_else_sentences_of_other_topics() -> None:
    rows = make_rows(passages(), np.random.default_rng(0))
    follower = {p.sentences[i]: p.sentences[i + 1] for p in passages() for i in (0, 1)}
    assert len(rows) == 3 * 4 * 2
    for row in rows:
        first, compared, *candidates = row.segments
        assert len(candidates) == N_CANDIDATES
        assert candidates[row.answer] == follower[first]
        assert (compared == follower[first]) == row.follows
        others = [c for k, c in enumerate(candidates) if k != row.answer]
        others += [] if row.follows else [compared]
        assert all(other[0][1] != str(row.topic) for other in others)
    assert {row.answer for row in rows} == set(range(N_CANDIDATES))
    assert {row.follows for row in rows} == {True, False}


def test_similarity_is_one_for_the_same_words_nought_for_none_in_common_and_counts_rare_words_more() -> None:
    weights = sentences.inverse_frequencies([("the", "cat"), ("the", "dog"), ("the", "bird")])
    assert weights["the"] == 1.0
    assert weights["cat"] == pytest.approx(1 + math.log(4 / 2))

    def alike(one: str, other: str) -> float:
        return sentences.similarity(tuple(one.split()), tuple(other.split()), weights)

    assert alike("the cat", "cat the") == pytest.approx(1.0)
    assert alike("the cat", "a dog") == 0.0
    assert alike("the cat", "a cat") > alike("the cat", "the fish") > 0
    rare = 1 + math.log(2)
    assert alike("the cat", "the dog") == pytest.approx(1 / (1 + rare * rare))


def test_similarity_is_of_the_whole_sentences_and_not_of_what_is_seen(dataset: Dataset) -> None:
    similarity = dataset.targets["similarity"]
    assert similarity.shape == (len(dataset.inputs), 1)
    assert similarity.min() >= 0
    assert similarity.max() < 1
    followed = dataset.targets["follows"] == 1
    assert similarity[followed].mean() > 2 * similarity[~followed].mean()
