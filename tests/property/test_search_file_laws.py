"""What is written as a search file is read as the same job, in every format; what is not known is refused."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.jobs.specification import JobSpec
from grouping.errors import SearchFileError
from grouping.store.codec import spec_from_json, spec_to_json
from grouping.use_cases.asked_again import asked_like
from grouping.use_cases.search_file import read_search
from grouping.use_cases.search_text import search_of, search_text
from grouping.use_cases.submit import build_spec, request_of
from tests.defined import formula_installed, specs
from tests.effort import examples


@pytest.fixture(scope="module", autouse=True)
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with formula_installed(tmp_path_factory.mktemp("site")):
        yield


def built(text: str, name: str = "") -> JobSpec:
    return build_spec(read_search(text, name).request())[0]


@settings(max_examples=examples(60), deadline=None)
@given(specs())
def test_the_search_file_of_a_job_describes_the_same_job(spec: JobSpec) -> None:
    assert built(search_text(spec), "search.toml") == spec


@settings(max_examples=examples(25), deadline=None)
@given(specs())
def test_every_format_says_the_same(spec: JobSpec) -> None:
    data = tomllib.loads(search_text(spec))
    assert data == json.loads(json.dumps(search_of(spec)))
    assert built(json.dumps(data, indent=1), "search.json") == spec
    assert built(json.dumps(data)) == spec, "its format is told from the text"
    assert built(yaml.safe_dump(data, allow_unicode=True), "search.yaml") == spec


@settings(max_examples=examples(25), deadline=None)
@given(specs())
def test_a_job_that_defines_its_tasks_is_stored_and_asked_for_again_as_it_is(spec: JobSpec) -> None:
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec
    assert build_spec(request_of(asked_like(spec) | {"name": spec.name}))[0] == spec


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of the objects of a search that have fixed keys."""
    yield path
    for name in ("tasks", "sizes"):
        yield from ((name, n) for n in range(len(data.get(name, ()))))
    for name in ("training_budget", "constraints", "resources"):
        if name in data:
            yield (name,)
    yield from (("resources_of", size) for size in data.get("resources_of", ()))


@settings(max_examples=examples(30), deadline=None)
@given(st.data(), specs(), st.sampled_from(["toml", "yaml", "json"]))
def test_a_key_that_is_not_known_is_refused_at_its_line(
    data: st.DataObject, spec: JobSpec, form: str
) -> None:
    search = search_of(spec)
    place = data.draw(st.sampled_from(list(places(search))))
    inner: Any = search
    for part in place:
        inner = inner[part]
    inner["wieght"] = 1
    text = {
        "toml": "wieght = 1\n" + search_text(spec),  # at the top, where a line is certain
        "yaml": yaml.safe_dump(search, allow_unicode=True, sort_keys=False),
        "json": json.dumps(search, indent=1, ensure_ascii=True),
    }[form]
    with pytest.raises(SearchFileError) as caught:
        read_search(text, f"search.{form}").request()
    ((line, message),) = caught.value.faults
    assert "wieght: there is no such key" in message
    assert line is not None
    assert "wieght" in text.splitlines()[line - 1]
