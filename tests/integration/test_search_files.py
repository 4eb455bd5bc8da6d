"""Jobs that define their tasks: over HTTP, from the command line, on the page, cloned, and searched."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.cli.own_commands import with_own_trainer
from grouping.client import Client
from grouping.domain.fields import declared
from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import Better, TaskDefinition
from grouping.domain.networks import Network
from grouping.domain.trainings.resources import Resources
from grouping.store import Store
from grouping.trainers import trainer_for
from grouping.use_cases.search_file import read_search
from grouping.use_cases.submit import build_spec, request_of
from tests.defined import FORMULA, POINTS, formula_installed
from tests.integration.conftest import Api
from tests.plug_ins import write_distribution
from tests.services import service

SEARCH = """name = "pumps"
trainer = "mine"
budgets = [1, 2, 3]
seeds = 2
confirm = 3

[[tasks]]
name = "vibration"
metric = "rmse"
unit = "mm/s"
weight = 2
reference = 0.31
must_not_worsen = true

[[tasks]]
name = "wear"
metric = "accuracy"
direction = "higher"

[[tasks]]
name = "heat"

[[sizes]]
name = "resnet50"
cost = 1.0
costs = {memory = 8.1}

[[sizes]]
name = "resnet18"
cost = 0.45
costs = {memory = 4.1}
"""
STATED = """
[constraints]
apart = [["vibration", "wear"]]
max_networks = 2

[resources]
cpus = 2
gpus = 0.5

[resources_of.resnet50]
gpus = 1
"""
ASKED: dict[str, Any] = {
    "trainer": {"name": "mine"},
    "tasks": [{"name": "vibration", "weight": 2}, {"name": "wear", "direction": "higher"}],
}


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[None]:
    with formula_installed(tmp_path):
        yield


def refusal(api: Api, **fields: Any) -> tuple[str, str]:
    answer = api.post("/v1/jobs", json={**ASKED, **fields})
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"][0]["pointer"], answer.json()["detail"]


@pytest.mark.usefixtures("installed")
def test_a_request_without_a_problem_defines_its_tasks(api: Api, store: Store) -> None:
    sizes = [{"name": "a", "cost": 1}, {"name": "b", "cost": 0.25}]
    made = api.post("/v1/jobs", json={**ASKED, "sizes": sizes}).json()
    spec = store.get_job(made["id"]).spec
    assert (spec.problem, spec.tasks, spec.single_sizes) == ("", ("vibration", "wear"), (0.25,))
    assert spec.definitions[1].direction is Better.HIGHER
    assert made["spec"]["definitions"][0]["weight"] == 2
    assert made["spec"]["sizes"][1] == {
        "name": "b",
        "cost": 0.25,
        "width": None,
        "costs": {},
        "is_to_be_measured": False,
    }
    assert api.post("/v1/jobs/estimate", json=ASKED).json()["strategy"] == "adaptive"
    assert api.get("/").status_code == api.get(f"/jobs/{made['id']}").status_code == 200


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"problem": "digits"}, "/tasks/0", "defines its tasks"),
        ({"tasks": None}, "/problem", "Name a problem, or define tasks"),
        ({"tasks": ["wear"]}, "/tasks/0", "needs a definition"),
        ({"tasks": [{"name": "a"}, {"name": "a"}]}, "/tasks/1", "defined twice"),
        ({"tasks": [{"name": "a+b"}]}, "/tasks/0", "not allowed"),
        ({"tasks": [{"name": "a", "scale": -1}]}, "/tasks/0/scale", "greater than 0"),
        ({"tasks": [{"name": "a", "scale": "x"}]}, "/tasks/0/scale", "'none' or 'single'"),
        ({"tasks": [{"name": "a", "kind": "binary"}]}, "/tasks/0/kind", "Extra inputs"),
        ({"tasks": [3]}, "/tasks/0", "valid dictionary"),
        ({"trainer": {"name": "built-in"}}, "/trainer/name", "trains on installed problems"),
        ({"sizes": [{"name": "a", "cost": 0.5}]}, "/sizes/0/cost", "full size"),
        ({"sizes": [{"name": "a@b", "cost": 1}]}, "/sizes/0", "not allowed"),
        ({"sizes": [{"name": "a", "cost": 1}], "single_sizes": [0.5]}, "/single_sizes", "one of the two"),
        ({"weights": {"nose": 1}}, "/weights", "not grouped"),
        ({"budgets_snt": [0.1]}, "/budgets_snt/0", "0.1"),
    ],
)
def test_what_cannot_be_is_refused_and_pointed_at(
    api: Api, fields: dict[str, Any], pointer: str, said: str
) -> None:
    found, detail = refusal(api, **fields)
    assert found == pointer
    assert said in detail


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"constraints": {"apart": [["wear", "nose"]]}}, "/constraints/apart", "no task 'nose'"),
        ({"constraints": {"ceilings": {"nose": 1}}}, "/constraints/ceilings", "no task 'nose'"),
        ({"constraints": {"forced": ["wear@0.25"]}}, "/constraints/forced/0", "no candidate"),
        ({"constraints": {"forbidden": ["nose"]}}, "/constraints/forbidden/0", "no candidate"),
        (
            {"constraints": {"together": [["wear", "vibration"]], "apart": [["wear", "vibration"]]}},
            "/constraints/apart/0",
            "must be served together as well",
        ),
        (
            {"constraints": {"forced": ["wear"], "forbidden": ["wear"]}},
            "/constraints/forced/0",
            "breaks another",
        ),
        ({"constraints": {"most": 2}}, "/constraints/most", "Extra inputs"),
        ({"compared_with": "all"}, "/compared_with", "'both', 'all-together', 'all-alone' or 'none'"),
        ({"epochs": 0}, "/epochs", "greater than or equal to 1"),
        ({"deadline_s": 0}, "/deadline_s", "greater than 0"),
        ({"max_attempts": 0}, "/max_attempts", "greater than or equal to 1"),
        ({"resources": {"gpus": 1.5}}, "/resources/gpus", "share of one or whole ones"),
        ({"resources": {"cpu": 1}}, "/resources/cpu", "Extra inputs"),
        ({"resources_of": {"small": {"gpus": 1}}}, "/resources_of/small", "is no size"),
        ({"resources_of": {"a/b": {"gpus": 1}}}, "/resources_of/a~1b", "is no size"),
        ({"resources_of": {"0.5": {"gpus": 1.5}}}, "/resources_of/0.5/gpus", "share of one or whole"),
    ],
)
def test_what_a_job_states_is_held_to_its_rules(
    api: Api, fields: dict[str, Any], pointer: str, said: str
) -> None:
    found, detail = refusal(api, **fields)
    assert found == pointer
    assert said in detail


@pytest.mark.usefixtures("installed")
def test_what_a_job_states_is_answered_estimated_shown_and_cloned(api: Api, store: Store) -> None:
    top = 'compared_with = "all-alone"\nepochs = 30\ndeadline_s = 3600\nmax_attempts = 5\n'
    text = top + SEARCH + STATED
    read = api.post("/jobs/new/file", data={"text": text, "action": "read"}).text
    sent = {"text": text, "action": "submit", "key": "s"}
    answer = api.post("/jobs/new/file", data=sent, follow_redirects=False)
    page = api.get(answer.headers["location"]).text
    for shown in (
        "vibration and wear are never trained in the same network; at most 2 networks",
        "compares with each task alone, and nothing else",
        "A full training counts 30 epochs.",
        "Each training holds 2 CPU, 0.5 GPU.",
        "At size resnet50 instead: 1 GPU.",
        "A training is ended after 3600 s",
        "A training is given up after 5 failures; losses of machines do not count.",
    ):
        assert shown in read
        assert shown in page
    (stored,) = store.list_jobs().items
    asked = api.get(f"/v1/jobs/{stored.id}").json()["spec"]
    assert asked["constraints"]["apart"] == [["vibration", "wear"]]
    assert asked["resources"] == {"cpus": 2, "gpus": 0.5, "memory_gib": None, "custom": None}
    assert asked["resources_of"]["resnet50"]["gpus"] == 1
    assert [n for n in stored.spec.candidates.require_listed() if {"vibration", "wear"} <= n.group] == []

    changes = {"drop_tasks": ["wear"], "resources": {"cpus": 4}, "epochs": 40, "compared_with": "none"}
    clone = store.get_job(api.post(f"/v1/jobs/{stored.id}/clone", json=changes).json()["id"]).spec
    assert (clone.constraints.apart, clone.constraints.max_networks) == ((), 2)
    assert (clone.resources.cpus, clone.resources.gpus, clone.epochs) == (4, 0.5, 40)
    assert (clone.deadline_s, clone.max_attempts, clone.compared_with) == (3600, 5, "none")


@pytest.mark.usefixtures("installed")
def test_the_epochs_of_a_job_are_those_of_its_trainer(api: Api, store: Store) -> None:
    def spec(**fields: Any) -> JobSpec:
        answer = api.post("/v1/jobs", json=fields)
        assert answer.status_code == 202, answer.text
        return store.get_job(answer.json()["id"]).spec

    built_in = spec(problem="digits", epochs=7)
    assert (built_in.epochs, built_in.trainer_parameters["recipe"]["epochs"]) == (None, 7)
    trainer: dict[str, Any] = {"name": "external", "parameters": {"data": "v1"}}
    external = spec(**{**ASKED, "trainer": trainer, "epochs": 7})
    assert external.trainer_parameters["epochs"] == 7
    mine = spec(**{**ASKED, "epochs": 7})
    for one in (built_in, external, mine):
        trainings = trainer_for(one).trainings
        assert (trainings.epochs_of(1, 1.0), trainings.epochs_of(1, 0.3)) == (7, 2)
    assert trainer_for(spec(**ASKED)).trainings.epochs_of(1, 1.0) == 1

    twice = api.post("/v1/jobs", json={"problem": "digits", "epochs": 7, "recipe": {"epochs": 8}}).json()
    assert twice["errors"][0]["pointer"] == "/epochs"
    assert "give them once" in twice["detail"]
    trainer["parameters"]["epochs"] = 8
    assert refusal(api, trainer=trainer, epochs=7)[0] == "/epochs"


@pytest.mark.usefixtures("installed")
def test_a_job_states_the_deadline_attempts_and_resources_that_a_worker_meets(api: Api, store: Store) -> None:
    stated = {"deadline_s": 5, "max_attempts": 1, "resources": {"gpus": 1}, "epochs": 10}
    spec = store.get_job(api.post("/v1/jobs", json={**ASKED, **stated}).json()["id"]).spec
    trainings = trainer_for(spec).trainings
    network = Network.of("wear")
    assert (trainings.deadline_s(network, 1.0), trainings.max_attempts) == (5, 1)
    assert trainings.resources(network) == Resources(1, 1)
    assert trainings.resources(network, Resources(3, 0.25)) == Resources(3, 1)
    unsaid = trainer_for(store.get_job(api.post("/v1/jobs", json=ASKED).json()["id"]).spec).trainings
    assert (unsaid.resources(network), unsaid.resources(network, Resources(3))) == (None, Resources(3))
    assert (unsaid.deadline_s(network, 1.0), unsaid.max_attempts) == (None, 3)


@pytest.mark.usefixtures("installed")
def test_sizes_have_names_for_trainers_of_ones_own_only(api: Api) -> None:
    asked = {"problem": "digits", "sizes": [{"name": "a", "cost": 1}]}
    answer = api.post("/v1/jobs", json=asked).json()
    assert answer["errors"][0]["pointer"] == "/trainer/name"


@pytest.mark.usefixtures("installed")
def test_a_clone_takes_definitions_of_further_tasks(api: Api, store: Store) -> None:
    first = api.post("/v1/jobs", json={**ASKED, "sizes": [{"name": "a", "cost": 1}]}).json()["id"]
    changes = {"add_tasks": [{"name": "heat", "scale": 3}], "drop_tasks": ["wear"]}
    clone = api.post(f"/v1/jobs/{first}/clone", json=changes)
    assert clone.status_code == 202, clone.text
    spec = store.get_job(clone.json()["id"]).spec
    assert [(task.name, task.scale) for task in spec.definitions] == [("vibration", "single"), ("heat", 3)]
    assert (spec.sizes, spec.reuse_jobs) == (store.get_job(first).spec.sizes, (first,))
    for added, pointer in (["heat"], "/add_tasks/0"), ([{"name": "wear"}], "/add_tasks/0"):
        refused = api.post(f"/v1/jobs/{first}/clone", json={"add_tasks": added})
        assert refused.json()["errors"][0]["pointer"] == pointer


@pytest.mark.usefixtures("installed")
def test_a_search_is_priced_from_its_file_and_options_come_first(tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text(SEARCH)
    command = ["run", str(file), "--dry-run", "--home", str(tmp_path / "home"), "--json"]
    command += ["--strategy", "exhaustive", "--confirm", "0"]
    for options, trainings in ([], 10 * 2), (["--seeds", "1", "--task", "wear", "--task", "heat"], 5):
        told = CliRunner().invoke(app, [*command, *options])
        assert told.exit_code == 0, told.output
        assert json.loads(told.stdout)["total"]["upper"]["trainings"] == trainings


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = 2", "seed = -1", "line 4: seed: "),
        ("budgets", "bugdets", "line 3: bugdets: there is no such key; did you mean budgets?"),
        ('"mine"', '"yours"', "line 2: There is no trainer named 'yours'"),
        ('name = "heat"', 'name = "wear"', "line 20: The task 'wear' is defined twice."),
        ("cost = 0.45", "cost = 0.45\nwidth = 1", "line 30: Two sizes have the number 1"),
        ("[1, 2, 3]", "[0.2, 2]", "line 3: "),
    ],
)
def test_a_fault_of_a_file_is_told_with_its_line_on_the_command_line_and_on_the_page(
    api: Api, store: Store, tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = SEARCH.replace(old, new)
    file = tmp_path / "search.toml"
    file.write_text(text)
    done = CliRunner().invoke(app, ["run", str(file), "--dry-run", "--home", str(tmp_path)])
    told = str(done.exception) if done.exception is not None else done.output
    assert f"{file}, {said}" in told
    page = api.post("/jobs/new/file", data={"text": text, "action": "submit"})
    line, _, message = said.partition(": ")
    assert page.status_code == 422
    assert f"<strong>{line.capitalize()}</strong>" in page.text
    assert message.split("'")[0] in page.text
    assert store.list_jobs().items == ()


@pytest.mark.usefixtures("installed")
def test_the_page_shows_what_it_understood_and_submits_once(api: Api, store: Store) -> None:
    empty = api.get("/jobs/new/file")
    assert (empty.status_code, "What was understood" in empty.text) == (200, False)
    assert '<a href="/jobs/new/file">' in api.get("/jobs/new").text
    read = api.post(
        "/jobs/new/file", files={"file": ("search.toml", SEARCH.encode())}, data={"action": "read"}
    )
    assert read.status_code == 200
    for shown in ("What was understood", "rmse (mm/s)", "no worse than alone", "resnet18", "10 networks"):
        assert shown in read.text
    assert store.list_jobs().items == ()
    sent = {"text": SEARCH, "action": "submit", "key": "k"}
    places = {
        api.post("/jobs/new/file", data=sent, follow_redirects=False).headers["location"] for _ in range(2)
    }
    (job,) = store.list_jobs().items
    assert places == {f"/jobs/{job.id}"}
    page = api.get(f"/jobs/{job.id}").text
    assert "Tasks in their own units" in page
    assert f'href="/jobs/{job.id}/search.toml"' in page


@pytest.mark.usefixtures("installed")
def test_markup_in_a_file_is_shown_as_text(api: Api) -> None:
    text = SEARCH.replace("wear", "<script>").replace("pumps", "<b>")
    read = api.post("/jobs/new/file", data={"text": text, "action": "read"})
    assert read.status_code == 200
    assert "<script>" not in read.text.replace("<script src", "")
    assert "&lt;script&gt;" in read.text


@pytest.mark.usefixtures("installed")
def test_the_file_of_a_job_describes_it(api: Api, store: Store) -> None:
    job = api.post("/v1/jobs", json=ASKED).json()["id"]
    file = api.get(f"/jobs/{job}/search.toml")
    assert file.headers["content-type"].startswith("application/toml")
    assert build_spec(read_search(file.text, "search.toml").request())[0] == store.get_job(job).spec


@pytest.mark.slow
def test_a_search_from_a_file_comes_to_its_recommendations(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_distribution(site, "mine", FORMULA, POINTS)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    file = tmp_path / "search.toml"
    file.write_text(SEARCH)
    with service(tmp_path, environment={"PYTHONPATH": path}) as running, Client(running.url) as client:
        done = CliRunner().invoke(app, ["run", str(file), "--server", running.url])
        assert done.exit_code == 0, done.output
        (job,) = client.jobs()
        assert job.state is JobState.SUCCEEDED
        one, two, three = job.recommendations()
        # Alone is best by the formula, and one network of all tasks is worse for each of them.
        assert "vibration is served no worse than alone" in one.sentence
        assert "On the search seeds no worse than alone: vibration." in two.sentence
        assert two.verdict is not None
        assert {comparison.baseline for comparison in two.verdict.comparisons} == {
            "all together",
            "all alone",
        }
        assert three.solution.loss == pytest.approx(4.0), "each task at its loss alone, by weight"


@pytest.mark.usefixtures("installed")
def test_the_files_of_the_page_and_of_the_readme_describe_searches() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "how-to" / "describe-a-search-in-a-file.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```(toml|yaml).*\n((?:.*\n)*?)```", page, re.MULTILINE)
    small, same, full = (build_spec(read_search(text, f"search.{form}").request())[0] for form, text in shown)
    assert small == same
    assert full.size_names == {1.0: "resnet50", 0.45: "resnet18"}
    assert {name for name, field in declared(TaskDefinition).items() if field.default is not MISSING} <= {
        name
        for task in full.definitions
        for name, field in declared(TaskDefinition).items()
        if getattr(task, name) != field.default
    }, "the page shows every key of a task"
    readme = (root / "README.md").read_text(encoding="utf-8")
    start, end = "    budgets = [1, 2]\n", "    grouping run search.toml -- "
    text = readme[readme.index(start) : readme.index(end)]
    asked = with_own_trainer(read_search(text, "search.toml").asked)
    assert build_spec(request_of(asked))[0].tasks == small.tasks
