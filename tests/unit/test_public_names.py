"""What ``import grouping`` offers, and what it costs."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import grouping

LARGE = {"numpy", "pandas", "scipy", "pyarrow", "pydantic", "httpx", "sqlalchemy", "torch", "ray", "networkx"}


def names_for_type_checkers() -> dict[str, str]:
    """The imports under TYPE_CHECKING: public name to module and name there."""
    tree = ast.parse(Path(grouping.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = {
        alias.name: f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in block.body:
        if isinstance(node, ast.Assign):  # what has another name where it is defined
            names[ast.unparse(node.targets[0])] = names.pop(ast.unparse(node.value))
    return names


@pytest.mark.parametrize("name", grouping.__all__)
def test_a_public_name_is_what_type_checkers_take_it_for(name: str) -> None:
    module, _, there = names_for_type_checkers()[name].rpartition(".")
    assert getattr(grouping, name) is getattr(import_module(module), there)


def test_type_checkers_see_the_public_names_and_no_others() -> None:
    assert set(names_for_type_checkers()) == set(grouping.__all__)
    assert set(grouping.__all__) <= set(dir(grouping))


def test_the_import_brings_nothing_large() -> None:
    code = "import sys, grouping; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "grouping" in done.stdout.split()
    assert LARGE & set(done.stdout.split()) == set()


def test_the_example_of_the_docstring_prints_what_it_says() -> None:
    found = doctest.testmod(grouping)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_a_name_that_is_not_offered_is_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'solve_everything'"):
        _ = grouping.solve_everything
