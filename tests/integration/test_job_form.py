"""The form that submits a job, over HTTP: what it asks for, and where it says what is wrong."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.resources import StatedResources
from grouping.problems.registry import get_problem
from grouping.store import Store
from tests.integration.conftest import Api, Scenes
from tests.recipes import recipe_in

TASKS = tuple(task.name for task in get_problem("digits").tasks)


def send(api: Api, fields: dict[str, Any] | None = None) -> Any:
    filled = {"problem": "digits", "task": list(TASKS), **(fields or {})}
    return api.post("/jobs", data=filled, follow_redirects=False)


def fault_of(page: str, field: str) -> str:
    found = re.search(rf'id="{re.escape(field)}-fault">([^<]*)<', page)
    return found.group(1) if found else ""


def test_the_form_offers_the_tasks_of_the_problem_and_every_method(api: Api) -> None:
    page = api.get("/jobs/new?problem=digits-8").text
    assert page.count('name="task"') == 8
    assert 'name="optimiser.sgd.momentum"' in page
    assert '<option value="adaptive" selected>' in page


def test_an_empty_form_submits_what_the_api_would_by_default(api: Api, store: Store) -> None:
    answer = send(api)
    assert answer.status_code == 303
    job = store.get_job(answer.headers["location"].rpartition("/")[2])
    by_api = api.post("/v1/jobs", json={"problem": "digits"}).json()["id"]
    assert job.spec == store.get_job(by_api).spec


def test_the_form_as_it_is_shown_submits_the_defaults(api: Api, store: Store) -> None:
    page = api.get("/jobs/new?problem=digits").text
    chosen = {}
    for name, options in re.findall(r'<select id="([^"]*)".*?>(.*?)</select>', page, re.DOTALL):
        offered = re.findall(r'<option value="([^"]*)"( selected)?', options)
        chosen[name] = next((value for value, selected in offered if selected), offered[0][0])
    assert chosen["planning"] == ""
    job = store.get_job(send(api, chosen).headers["location"].rpartition("/")[2])
    by_api = api.post("/v1/jobs", json={"problem": "digits"}).json()["id"]
    assert job.spec == store.get_job(by_api).spec


def test_every_field_arrives(api: Api, store: Store) -> None:
    fields = {
        "task": list(TASKS[:3]),
        "name": "by hand",
        "budgets_snt": "1, 1.5; 2",
        "max_group_size": "2",
        "planning": "continuous",
        "single_sizes": "0.5 0.25",
        "strategy": "exhaustive",
        "n_seeds": "2",
        "n_confirmation_seeds": "0",
        "seed": "7",
        "tuning_samples": "3",
        "budget.trainings": "100",
        "budget.seconds": "1e3",
        "recipe.hidden": "8, 4",
        "recipe.epochs": "5",
        "recipe.learning_rate": "0.01",
        "recipe.precision": "bfloat16",
        "optimiser": "sgd",
        "optimiser.sgd.momentum": "0.5",
        "resources_of": "0.5: gpus=0.25, memory_gib=4; 0.25: cpus=2",
        "constraints.apart": f"{TASKS[0]} + {TASKS[1]}",
        "constraints.ceilings": f"{TASKS[0]}: 0.4\n{TASKS[1]}: 1.05 alone",
        "constraints.is_partition": "on",
    }
    spec = store.get_job(send(api, fields).headers["location"].rpartition("/")[2]).spec
    assert (spec.tasks, spec.name, spec.budgets_snt) == (TASKS[:3], "by hand", (1.0, 1.5, 2.0))
    assert (spec.max_group_size, spec.single_sizes, spec.strategy) == (2, (0.5, 0.25), "exhaustive")
    assert (
        spec.n_seeds,
        spec.n_confirmation_seeds,
        spec.seed,
        spec.trainer_parameters["tuning_samples"],
    ) == (2, 0, 7, 3)
    assert (spec.training_budget.trainings, spec.training_budget.seconds) == (100, 1000.0)
    assert (recipe_in(spec).hidden, recipe_in(spec).epochs, recipe_in(spec).learning_rate) == (
        (8, 4),
        5,
        0.01,
    )
    assert recipe_in(spec).optimiser == Method("sgd", {"momentum": 0.5})
    assert recipe_in(spec).precision == "bfloat16"
    assert spec.planning == "continuous"
    assert spec.resources_of == {
        "0.5": StatedResources(gpus=0.25, memory_gib=4.0),
        "0.25": StatedResources(cpus=2),
    }
    demands = spec.constraints
    assert demands.apart == (frozenset(TASKS[:2]),)
    assert (demands.ceilings, demands.ceilings_alone) == ({TASKS[0]: 0.4}, {TASKS[1]: 1.05})
    assert demands.is_partition


def test_parameters_of_methods_that_are_not_chosen_are_not_read(api: Api, store: Store) -> None:
    answer = send(api, {"optimiser": "adamw", "optimiser.sgd.momentum": "nonsense"})
    assert answer.status_code == 303


def test_asking_for_the_cost_submits_nothing(api: Api, store: Store) -> None:
    answer = send(api, {"action": "estimate", "n_seeds": "2"})
    assert answer.status_code == 200
    assert "What it would cost" in answer.text
    assert "trainings" in answer.text
    assert 'value="2"' in answer.text, "the form keeps what was entered"
    assert len(store.list_jobs()) == 0


def test_a_form_sent_twice_makes_one_job_and_a_changed_one_another(api: Api, store: Store) -> None:
    first, again = send(api, {"key": "abc"}), send(api, {"key": "abc"})
    changed = send(api, {"key": "abc", "seed": "1"})
    assert first.headers["location"] == again.headers["location"] != changed.headers["location"]
    assert len(store.list_jobs()) == 2


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"n_seeds": "many"}, "n_seeds", "integer"),
        ({"n_seeds": "0"}, "n_seeds", "1"),
        ({"budgets_snt": "1, x"}, "budgets_snt", "number"),
        ({"budgets_snt": "0.1"}, "budgets_snt", "covers"),
        ({"budget.trainings": "-4"}, "budget.trainings", "1"),
        ({"recipe.epochs": "none"}, "recipe.epochs", "integer"),
        ({"recipe.epochs": "2", "schedule": "continual"}, "recipe.epochs", "phases"),
        ({"strategy": "no such"}, "strategy", "no such"),
        (
            {"strategy": "adaptive", "strategy.adaptive.tolerance": "x"},
            "strategy.adaptive.tolerance",
            "number",
        ),
        ({"optimiser": "sgd", "optimiser.sgd.momentum": "2"}, "optimiser.sgd.momentum", "less than 1"),
        ({"task": ["no such"]}, "task", "no such"),
        ({"constraints.ceilings": "loop: x"}, "constraints.ceilings", "a colon and a number"),
        ({"constraints.apart": "loop"}, "constraints.apart", "at least 2"),
        ({"constraints.together": "loop + nobody"}, "constraints.together", "nobody"),
        ({"resources_of": "0.5: gpus"}, "resources_of", "valid"),
        ({"task": []}, "task", "at least 1"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    api: Api, store: Store, fields: dict[str, Any], field: str, says: str
) -> None:
    answer = send(api, fields)
    assert answer.status_code == 422
    assert says in fault_of(answer.text, field)
    assert 'role="alert"' in answer.text
    assert len(store.list_jobs()) == 0


def test_an_unknown_problem_is_not_found(api: Api) -> None:
    assert api.get("/jobs/new?problem=nothing").status_code in (404, 422)
    assert api.post("/jobs", data={"problem": "nothing"}).status_code in (404, 422)


def test_what_was_entered_is_shown_again_as_text(api: Api) -> None:
    answer = send(api, {"name": "<img src=x>", "n_seeds": "x"})
    assert "<img src=x>" not in answer.text
    assert "&lt;img src=x&gt;" in answer.text


class Entered(HTMLParser):
    """What a browser sends for the form as it is shown, by field."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page.partition('<form class="job"')[2])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in ("select", "textarea"):
            self._open = told["name"] or ""
        elif tag == "option" and ("selected" in told or self._open not in self.values):
            self.values[self._open] = [told.get("value") or ""]
        elif tag == "input" and (told.get("type") != "checkbox" or "checked" in told):
            self.values.setdefault(told["name"] or "", []).append(told.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "textarea" and self._open:
            self.values[self._open] = [data]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("select", "textarea"):
            self._open = ""


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {
            "tasks": list(TASKS[:3]),
            "name": "not taken",
            "tags": ["night", "small"],
            "budgets_snt": [1.5, 1.623456789, 2],
            "max_group_size": 2,
            "planning": "continuous",
            "strategy": {"name": "adaptive", "parameters": {"tolerance": 0.015}},
            "n_seeds": 2,
            "training_budget": {"trainings": 100, "seconds": 12_345.678},
            "recipe": {
                "hidden": [8, 4],
                "learning_rate": 0.0123456789,
                "precision": "bfloat16",
                "optimiser": {"name": "sgd", "parameters": {"momentum": 0.5}},
            },
            "train_share": 0.5,
            "weights": {TASKS[0]: 2.5},
            "resources": {"gpus": 0.25},
            "resources_of": {"0.5": {"memory_gib": 4, "custom": {"a100": 1}}},
            "constraints": {
                "apart": [list(TASKS[:2])],
                "ceilings": {TASKS[0]: 0.4},
                "ceilings_alone": {TASKS[1]: 1.05},
                "forbidden": [f"{TASKS[1]}@0.5"],
                "is_partition": True,
                "max_networks": 3,
            },
        },
    ],
)
def test_the_form_filled_in_from_a_job_submits_its_clone(
    api: Api, store: Store, asked: dict[str, Any]
) -> None:
    made = api.post("/v1/jobs", json={"problem": "digits", **asked}).json()
    assert "id" in made, made
    source = made["id"]
    assert f'<a href="/jobs/new?like={source}">' in api.get(f"/jobs/{source}").text
    page = api.get(f"/jobs/new?like={source[:12]}").text
    fields = Entered(page).values
    del fields["results"]
    sent = api.post("/jobs", data=fields, follow_redirects=False)
    assert sent.status_code == 303, re.findall('class="fault"[^<]*', sent.text)
    job = store.get_job(sent.headers["location"].rpartition("/")[2])
    clone = store.get_job(api.post(f"/v1/jobs/{source}/clone", json={}).json()["id"])
    assert job.spec.reuse_jobs == (source,)
    assert job.spec == clone.spec
    assert job.tags == clone.tags

    changed = {**fields, "task": list(TASKS), "budgets_snt": "3"}
    more = api.post("/jobs", data=changed, follow_redirects=False)
    assert store.get_job(more.headers["location"].rpartition("/")[2]).spec.tasks == TASKS


def test_a_job_that_the_form_has_no_fields_for_is_changed_as_a_file(api: Api, store: Store) -> None:
    asked = {"problem": "digits", "constraints": {"max_group_size": 2}, "n_seeds": 2}
    source = api.post("/v1/jobs", json=asked).json()["id"]
    moved = api.get(f"/jobs/new?like={source}", follow_redirects=False)
    assert moved.headers["location"] == f"/jobs/new/file?like={source}"
    page = api.get(moved.headers["location"]).text
    text = html.unescape(page.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0])
    sent = api.post("/jobs/new/file", data={"text": text, "action": "submit"}, follow_redirects=False)
    clone = api.post(f"/v1/jobs/{source}/clone", json={}).json()["id"]
    assert store.get_job(sent.headers["location"].rpartition("/")[2]).spec == store.get_job(clone).spec


def test_a_job_that_would_not_be_accepted_any_more_is_shown_as_a_file_with_what_is_wrong(
    api: Api, scenes: Scenes
) -> None:
    source = scenes.submitted(names=("lost", TASKS[0]))
    page = api.get(f"/jobs/new?like={source.id}", follow_redirects=True).text
    assert "As it was it would not be accepted any more" in page
    assert "no task &#39;lost&#39;" in page
    assert f"tasks = [&#34;lost&#34;, &#34;{TASKS[0]}&#34;]" in page
    assert source.id in page.partition("<textarea")[2].partition("</textarea>")[0]


def test_a_form_like_a_job_that_is_not_there_says_so(api: Api) -> None:
    assert api.get(f"/jobs/new?like={'0' * 32}").status_code == 404
    assert api.get(f"/jobs/new/file?like={'0' * 32}").status_code == 404
