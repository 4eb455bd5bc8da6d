"""Search files that cannot be read or understood say what is wrong, and on which line."""

from __future__ import annotations

import pytest

from grouping.errors import InvalidInputError, SearchFileError
from grouping.formats.marked_text import MAX_BYTES, TextFormat, format_of, read_marked
from grouping.use_cases.search_file import is_search_file, read_search, with_options

SEARCH = """name = "pumps"
budgets = [1, 2]

[training_budget]
trainings = 200

[[tasks]]
name = "vibration"
unit = "mm/s"

[[tasks]]
name = "wear"
"""


def faults(text: str, name: str = "search.toml") -> tuple[tuple[int | None, str], ...]:
    with pytest.raises(SearchFileError) as caught:
        read_search(text, name).request()
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "name", "line", "said"),
    [
        ("a = 1\nb = ", "x.toml", 2, "no TOML"),
        ("a = 1\na = 2", "x.toml", 2, "no TOML"),
        ('{"a": 1,\n}', "x.json", 2, "no JSON"),
        ('{"a": 1,\n "a": 2}', "x.json", None, "'a' stands twice"),
        ('{"a": NaN}', "x.json", None, "NaN is no number"),
        ("[1, 2]", "x.json", None, "no keys"),
        ("a: 1\n  b: 2", "x.yaml", 2, "no YAML"),
        ("a: 1\nb: 2\na: 3", "x.yml", 3, "'a' stands twice"),
        ("a: &one 1\nb: *one", "x.yaml", 1, "Anchors"),
        ("a: !!python/object:os.system 1", "x.yaml", 1, "no YAML"),
        ("? [a]\n: 1", "x.yaml", 1, "A key is a text"),
        ("just words", "x.yaml", None, "no keys"),
        ("", "", None, "no keys"),
        ("[" * 5000, "x.json", None, "nested"),
        ("{a: " * 5000, "x.yaml", None, ""),
        ("a = " + "[" * 5000, "x.toml", None, "nested"),
        ("#" * (MAX_BYTES + 1), "x.toml", None, "256 KiB"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_line(
    text: str, name: str, line: int | None, said: str
) -> None:
    ((found, message),) = faults(text, name)
    assert said in message
    assert line is None or found == line


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("budgets", "bugdets", 2, "did you mean budgets?"),
        ("budgets", "budget_snt", 2, "did you mean budgets_snt?"),
        ("trainings =", "trainngs =", 5, "did you mean trainings?"),
        ("unit =", "untis =", 9, "did you mean unit?"),
        ("unit =", "qqq =", 9, "known keys: best, direction"),
        ("200", "0", 5, "training_budget.trainings: Input should be greater than or equal to 1."),
        ('"mm/s"', "3", 9, "tasks.0.unit: Input should be a valid string."),
        ('name = "wear"', 'scale = "sinlge"', 12, "tasks.1.scale: Input should be 'none' or 'single'."),
        ("[1, 2]", "[1, -2]", 2, "budgets.1: Input should be greater than 0."),
        ("budgets = [1, 2]", "budgets = [1]\nbudgets_snt = [2]", 2, "the same"),
    ],
)
def test_a_fault_is_told_with_its_line_and_the_nearest_key(old: str, new: str, line: int, said: str) -> None:
    found = faults(SEARCH.replace(old, new))
    assert any(at == line and said in message for at, message in found), found


def test_a_missing_name_is_told_at_the_task_that_lacks_it() -> None:
    assert faults(SEARCH.replace('name = "wear"', "weight = 2")) == (
        (11, "tasks.1.name: This field is required."),
    )


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = faults(SEARCH.replace("budgets", "x").replace("unit", "y").replace("200", "0"))
    assert [line for line, _ in found] == [2, 5, 9]
    error = SearchFileError(found, "search.toml")
    assert str(error).startswith("search.toml, line 2: x: there is no such key")


def test_options_come_before_the_file() -> None:
    asked = read_search(SEARCH + "[[tasks]]\nname = 'heat'\n[resources]\ncpus = 4\ngpus = 1").asked
    changed = with_options(
        asked,
        {
            "budgets_snt": [3.0],
            "tasks": ["heat", "wear"],
            "training_budget": {"epochs": 7, "trainings": None},
            "resources": {"gpus": 2.0, "cpus": None},
        },
    )
    assert changed["budgets_snt"] == [3.0]
    assert [task["name"] for task in changed["tasks"]] == ["wear", "heat"]
    assert changed["training_budget"] == {"trainings": 200, "epochs": 7}
    assert changed["resources"] == {"cpus": 4, "gpus": 2.0}
    assert changed["name"] == "pumps"
    with pytest.raises(InvalidInputError, match="no task 'nose'"):
        with_options(asked, {"tasks": ["nose"]})


def test_the_format_of_a_pasted_text_is_told_from_its_beginning() -> None:
    assert format_of("# a comment\n\n{") is TextFormat.JSON
    assert format_of("\n[training_budget]\n") is TextFormat.TOML
    assert format_of("name = 'a: b'") is TextFormat.TOML
    assert format_of("name: a = b") is TextFormat.YAML
    assert read_marked("\ufeffname = 'a'").data == {"name": "a"}, "a mark at the beginning is left out"


def test_a_file_is_told_from_a_problem_by_its_ending() -> None:
    assert [is_search_file(name) for name in ("a.toml", "b/C.YAML", "x.yml", "y.json")] == [True] * 4
    assert not any(is_search_file(name) for name in ("digits", "toml", "my.problem"))
