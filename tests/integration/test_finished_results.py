"""Results told from outside count as trained, whoever trains: a command, or a client that asks for work."""

from __future__ import annotations

import inspect
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.client import Client, ServiceError
from grouping.domain.jobs.job import JobState
from grouping.domain.networks import Network, list_candidates
from grouping.domain.trainings.trials import Purpose, Trial
from grouping.errors import SearchFileError
from grouping.store import Store
from grouping.trainers import discover_trainers
from grouping.trainers.registered import TRAINERS_VARIABLE
from grouping_workers.job.executor import TrainingOrder
from tests.in_process import LocalExecutor, carried_out
from tests.integration.conftest import Api, hash_of, server
from tests.patience import wait_for

NAMES = ("depth", "edges", "scene")
TRAIN = """
import json, os, pathlib
from typing import Any

group = os.environ["GROUPING_TASKS"].split(",")
size, seed = float(os.environ["GROUPING_SIZE"]), int(os.environ["GROUPING_SEED"])
with pathlib.Path(os.environ["STARTS"]).open("a") as file:
    file.write(json.dumps([sorted(group), size, seed]) + "\\n")
values = {task: value_of(task, group, size, seed) for task in group}
pathlib.Path(os.environ["GROUPING_OUT"], "result.json").write_text(
    json.dumps({"validation": values, "test": values})
)
"""
REQUEST: dict[str, Any] = {
    "name": "pumps",
    "tasks": [
        {"name": "depth", "metric": "rmse", "unit": "mm"},
        {"name": "edges", "metric": "accuracy", "direction": "higher"},
        {"name": "scene", "metric": "rmse", "must_not_worsen": True},
    ],
    "sizes": [{"name": "large", "cost": 1.0}, {"name": "small", "cost": 0.45}],
    "strategy": {"name": "exhaustive", "parameters": {}},
    "budgets_snt": [1, 2],
    "n_seeds": 2,
    "n_confirmation_seeds": 2,
}
Start = tuple[frozenset[str], float, int]


def value_of(task: str, group: Any, size: float, seed: int) -> float:
    """What a training reports: an error, or of edges an accuracy."""
    error = 0.2 + 0.03 * (len(group) - 2) ** 2 + 0.1 * (1 - size)
    error += 0.01 * hash_of(f"{task}{sorted(group)}{size}{seed}")
    return 1 - error if task == "edges" else error


class Site:
    """A service in this process whose jobs are trained in one of two ways, each start noted."""

    def __init__(self, api: Api, store: Store, trainer: str, notes: Path) -> None:
        self.api = api
        self.store = store
        self.trainer = trainer
        self._notes = notes
        self._leased: list[Start] = []

    def request(self, **more: Any) -> dict[str, Any]:
        parameters = {"data": "v1"} if self.trainer == "external" else {}
        return {**REQUEST, "trainer": {"name": self.trainer, "parameters": parameters}, **more}

    def submit(self, **more: Any) -> str:
        answer = self.api.post("/v1/jobs", json=self.request(**more))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def work(self, job_id: str) -> None:
        """Carry out the oldest job, which is this one, to its end."""
        with carried_out(self.store):
            while self.trainer == "external" and not self.store.get_job(job_id).state.is_final:
                self.train_one(job_id)
        job = self.store.get_job(job_id)
        assert job.state is JobState.SUCCEEDED, job.error

    def train_one(self, job_id: str) -> None:
        """Ask for a training as a client does, and report on it."""
        answer = self.api.post("/v1/leases", json={"worker": "me", "job_ids": [job_id]})
        if answer.status_code == 204:
            time.sleep(0.05)
            return
        lease = answer.json()
        group, size, seed = lease["tasks"], lease["size"], lease["seed"]
        self._leased.append((frozenset(group), size, seed))
        values = {task: value_of(task, group, size, seed) for task in group}
        told = {"validation": values, "test": values, "epochs": 1, "seconds": 0.5}
        self.api.post(f"/v1/leases/{lease['token']}/complete", json=told).raise_for_status()

    def starts(self) -> list[Start]:
        """What was trained since the last call: group, size, seed."""
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        found = [(frozenset(group), size, seed) for group, size, seed in map(json.loads, lines)]
        self._notes.unlink(missing_ok=True)
        found += self._leased
        self._leased = []
        return found

    def add(self, job_id: str, content: str, **query: Any) -> Any:
        return self.api.post(
            f"/v1/jobs/{job_id}/results",
            content=content.encode(),
            headers={"Content-Type": "text/csv"},
            params=query,
        )

    def page(self, path: str) -> str:
        answer = self.api.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200
        return answer.text


@pytest.fixture
def site_of(
    api: Api, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Site]]:
    script = tmp_path / "train.py"
    imports, training = TRAIN.split("\n\n", 1)
    parts = (imports, inspect.getsource(hash_of), inspect.getsource(value_of), training)
    script.write_text("\n\n".join(parts))
    trainers = tmp_path / "trainers.toml"
    trainers.write_text(f'[trainers.mine]\ncommand = ["{{python}}", "-I", "-S", {json.dumps(str(script))}]\n')
    monkeypatch.setenv(TRAINERS_VARIABLE, str(trainers))
    monkeypatch.setenv("STARTS", str(tmp_path / "starts"))
    discover_trainers.cache_clear()
    yield lambda trainer: Site(api, store, trainer, tmp_path / "starts")
    discover_trainers.cache_clear()


@pytest.fixture(params=["mine", "external"])
def site(request: pytest.FixtureRequest, site_of: Callable[[str], Site]) -> Site:
    return site_of(request.param)


def half() -> list[tuple[Network, int]]:
    """Half of the trainings of the search: the singles at full size, and the pair that is best."""
    networks = [*(Network.of(name) for name in NAMES), Network.of("depth", "edges")]
    return [(network, seed) for network in networks for seed in (0, 1)]


def as_csv(trainings: list[tuple[Network, int]], *, with_seeds: bool = True) -> str:
    """The long layout of trainings, with the values that they report."""
    lines = ["network,size,task,seed,validation_loss,test_loss"]
    for network, seed in trainings:
        group = sorted(network.group)
        size = "small" if network.size != 1 else "large"
        for task in group:
            value = value_of(task, group, network.size, seed)
            lines.append(f"{'+'.join(group)},{size},{task},{seed},{value!r},{value!r}")
    if not with_seeds:
        lines = [",".join(line.split(",")[:3] + line.split(",")[4:]) for line in lines]
    return "\n".join(lines) + "\n"


def as_told(trainings: list[tuple[Network, int]], **more: Any) -> dict[str, Any]:
    """Trainings in JSON."""
    listed = []
    for network, seed in trainings:
        group = sorted(network.group)
        values = {task: value_of(task, group, network.size, seed) for task in group}
        listed.append(
            {"tasks": group, "size": network.size, "seed": seed, "validation": values, "test": values}
        )
    head = {"source": "half.csv", "told_by": "ada", "values": "reported"}
    return {**head, "trainings": listed, **more}


def counts(answer: Any) -> dict[str, int]:
    """How many results an answer says were new, and known."""
    return {name: answer.json()[name] for name in ("added", "known")}


def keys(trials: tuple[Trial, ...]) -> set[Start]:
    return {(t.network.group, t.network.size, t.seed) for t in trials if t.purpose is Purpose.SEARCH}


def test_half_a_table_is_trained_on_from_by_any_trainer_and_gives_what_training_all_of_it_gives(
    site: Site,
) -> None:
    whole = site.submit()
    site.work(whole)
    everything = site.starts()
    told = [(network.group, network.size, seed) for network, seed in half()]
    assert set(told) < set(everything)

    priced = site.api.post("/v1/jobs/estimate", json=site.request(results=[as_told(half())])).json()
    alone = site.api.post("/v1/jobs/estimate", json=site.request()).json()
    assert (priced["told"], alone["told"]) == (len(told), 0)
    for bound in ("lower", "upper"):
        fewer, more = (sum(kind[bound] for kind in found["kinds"]) for found in (priced, alone))
        assert fewer == more - len(told)

    job = site.submit(results=[as_told(half())])
    site.work(job)
    trained = site.starts()
    assert sorted(trained, key=repr) == sorted(set(everything) - set(told), key=repr)
    first, second = (site.store.get_job(job_id) for job_id in (whole, job))
    for purpose in Purpose:
        tables = [site.store.score_table(j.score_table_id, purpose=purpose) for j in (first, second)]
        cells = [
            {
                (network.key, task, seed): tuple(
                    losses[n, t, s] for losses in (table.validation_losses, table.test_losses)
                )
                for n, network in enumerate(table.networks)
                for t, task in enumerate(table.task_names)
                for s, seed in enumerate(table.seeds)
                if task in network.group
            }
            for table in tables
        ]
        assert cells[0] == cells[1]
        assert [task.scale for task in tables[0].tasks] == [task.scale for task in tables[1].tasks]

    answers = [site.api.get(f"/v1/jobs/{job_id}/recommendations").json()["items"] for job_id in (whole, job)]
    assert answers[0] == answers[1]
    assert all(item["verdict"]["is_confirmed"] for item in answers[1])
    matrices = [
        site.api.get(f"/v1/score-tables/{j.score_table_id}/affinity", params={"method": "pairwise"}).json()
        for j in (first, second)
    ]
    assert matrices[0]["values"] == matrices[1]["values"]

    ledger = site.api.get(f"/v1/jobs/{job}/ledger").json()
    assert (ledger["told"], ledger["reused"]["trainings"]) == (len(told), 0)
    assert ledger["charged"]["trainings"] == len(trained)
    assert ledger["search"]["trainings"] + len(told) == len(keys(site.store.trials(whole)))
    assert f"{len(told)} results from outside" in ledger["sentence"]
    trials = site.api.get(f"/v1/jobs/{job}/trials").json()["items"]
    marked = [trial["told"] for trial in trials if trial["told"] is not None]
    assert {(mark["source"], mark["told_by"]) for mark in marked} == {("half.csv", "ada")}
    assert len(marked) == len(told)
    accuracy = next(s for t in trials if t["told"] and t["network"] == "edges" for s in t["scores"])
    assert accuracy["validation_metric"] == pytest.approx(1 - accuracy["validation_loss"])
    assert "from outside" in site.page(f"/jobs/{job}")

    clone = site.api.post(f"/v1/jobs/{job}/clone", json={"drop_tasks": ["scene"]}).json()["id"]
    site.work(clone)
    copied = [trial for trial in site.store.trials(clone) if trial.told is not None]
    kept = [start for start in told if "scene" not in start[0]]
    assert sorted(keys(tuple(copied)), key=repr) == sorted(set(kept), key=repr)
    assert not set(site.starts()) & set(told)
    assert site.api.get(f"/v1/jobs/{clone}/ledger").json()["told"] == len(kept)

    exported = site.api.get(f"/v1/score-tables/{second.score_table_id}/export", params={"format": "json"})
    again = site.submit()
    added = site.api.post(
        f"/v1/jobs/{again}/results",
        content=exported.content,
        headers={"Content-Type": "application/json"},
        params={"values": "losses"},
    )
    assert counts(added) == {"added": len(keys(site.store.trials(whole))), "known": 0}
    site.work(again)
    fresh = {trial.seed for trial in site.store.trials(again) if trial.purpose is Purpose.CONFIRMATION}
    assert {seed for _, _, seed in site.starts()} == fresh
    assert site.api.get(f"/v1/jobs/{again}/recommendations").json()["items"] == answers[0]


def test_results_are_added_while_a_job_runs_and_what_waits_is_not_trained(
    site_of: Callable[[str], Site],
) -> None:
    """The trainer is asked for a network while the results of others, which wait, are told."""
    site = site_of("mine")
    job = site.submit()
    answers: list[Any] = []
    executor = LocalExecutor()

    def tell(order: TrainingOrder) -> None:
        if not answers:
            busy = {(request.network, request.seed) for request in order.requests.values()}
            rest = [training for training in half() if training not in busy]
            answers.append(site.add(job, as_csv(rest), values="reported", source="rest.csv"))
            answers.append(site.add(job, as_csv(rest), values="reported", source="rest.csv"))

    executor.before_training = tell
    with carried_out(site.store, executor):
        pass
    assert site.store.get_job(job).state is JobState.SUCCEEDED
    added, again = (answer.json() for answer in answers)
    assert added["added"] == again["known"] > 0
    assert (added["known"], again["added"]) == (0, 0)
    trained = keys(tuple(t for t in site.store.trials(job) if t.told is None))
    told = keys(tuple(t for t in site.store.trials(job) if t.told is not None))
    assert len(told) == added["added"]
    assert not trained & told
    assert {start for start in site.starts() if start[2] < 500} == trained
    kinds = [event.kind for event in site.store.events(job)]
    assert kinds.count("results_added") == 1


def test_a_result_told_at_the_last_moment_is_confirmed_like_any_other(
    site_of: Callable[[str], Site],
) -> None:
    """A pair that nobody has trained is told, as the best of all, when the job is about to succeed."""
    site = site_of("mine")
    job = site.submit(strategy={"name": "random", "parameters": {"trainings": 4}})
    told: list[Network] = []
    enter_state = site.store.enter_state

    def tell(claim: Any, state: JobState, **more: Any) -> None:
        if state is JobState.SUCCEEDED and not told:
            trained = {trial.network.group for trial in site.store.trials(job)}
            pairs = [Network.of(*pair) for pair in combinations(NAMES, 2)]
            told.append(next(pair for pair in pairs if pair.group not in trained))
            best = {task: 0.999 if task == "edges" else 0.001 for task in sorted(told[0].group)}
            trainings = [{"tasks": list(best), "seed": seed, "validation": best} for seed in (0, 1)]
            answer = site.api.post(
                f"/v1/jobs/{job}/results", json={"trainings": trainings, "values": "reported"}
            )
            assert counts(answer) == {"added": 2, "known": 0}, answer.text
        enter_state(claim, state, **more)

    site.store.enter_state = tell  # type: ignore[method-assign]
    try:
        with carried_out(site.store, LocalExecutor()):
            pass
    finally:
        del site.store.enter_state
    assert site.store.get_job(job).state is JobState.SUCCEEDED
    confirmed = [trial.network for trial in site.store.trials(job) if trial.purpose is Purpose.CONFIRMATION]
    assert confirmed.count(told[0]) == REQUEST["n_confirmation_seeds"]
    items = site.api.get(f"/v1/jobs/{job}/recommendations").json()["items"]
    assert all(item["verdict"]["is_confirmed"] for item in items)


def test_what_does_not_fit_is_refused_with_its_reason_and_nothing_is_stored(
    site_of: Callable[[str], Site],
) -> None:
    site = site_of("external")
    job = site.submit(max_group_size=2, budgets_snt=[2])
    good = as_told(half()[:1])["trainings"][0]
    for fault, words in (
        ({"tasks": ["speed"], "validation": {"speed": 1.0}}, "has no task 'speed'"),
        ({"size": 0.3}, "has no size 0.3. Its sizes: 1 (large), 0.45 (small)"),
        ({"size": "huge"}, "no size has the name 'huge'. Names of sizes: large, small"),
        ({"seed": 2}, "has no seed 2. Its seeds: 0, 1"),
        ({"tasks": list(NAMES), "validation": dict.fromkeys(NAMES, 0.5)}, "have at most 2 tasks"),
        ({"tasks": ["depth", "edges"]}, "the value of 'edges' is missing"),
        ({"validation": {"depth": 0.5, "scene": 0.5}}, "value of 'scene', outside its group"),
        ({"tasks": ["depth", "depth"]}, "name each task of the group once"),
    ):
        told = {**as_told([]), "trainings": [good, {**good, "test": {}, "seed": 1, **fault}]}
        answer = site.api.post(f"/v1/jobs/{job}/results", json=told)
        assert (answer.status_code, answer.json()["code"]) == (422, "results_refused"), answer.text
        assert words in answer.json()["detail"]
        assert site.store.trials(job) == ()
        asked = site.api.post(
            "/v1/jobs", json=site.request(max_group_size=2, budgets_snt=[2], results=[told])
        )
        assert (asked.status_code, asked.json()["errors"][0]["pointer"]) == (422, "/results/0")
    assert len(site.store.list_jobs()) == 1

    accuracy = {"tasks": ["edges"], "validation": {"edges": 0.9}}
    answer = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [accuracy]})
    assert "may be its accuracy, higher is better, or losses" in answer.json()["detail"]
    tried = site.api.post(f"/v1/jobs/{job}/results?dry_run=true", json={"trainings": [good]})
    assert (counts(tried), site.store.trials(job)) == ({"added": 1, "known": 0}, ())
    assert "results_added" not in {event.kind for event in site.store.events(job)}
    assert site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [good]}).json()["added"] == 1
    other = {**good, "validation": {"depth": 0.75}}
    answer = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [other]})
    assert "depth, seed 0: the search has other values for it." in answer.json()["detail"]
    for digest, words in (("0f", "not known before it is prepared"),):
        answer = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [good], "data": digest})
        assert (answer.status_code, words in answer.json()["detail"]) == (422, True)
    with carried_out(site.store) as control:
        wait_for(lambda: site.store.get_job(job).data_digest is not None, "the preparation")
        control.stop.set()
    answer = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [good], "data": "0f"})
    assert "are of other data: their digest is 0f" in answer.json()["detail"]
    known = site.store.get_job(job).data_digest
    same = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [good], "data": known})
    assert counts(same) == {"added": 0, "known": 1}


def test_the_answer_says_which_numbers_are_worth_a_look(site_of: Callable[[str], Site]) -> None:
    site = site_of("external")
    job = site.submit()
    assert site.add(job, as_csv(half()), values="reported").json()["findings"] == []
    odd = {"tasks": list(NAMES), "validation": {"depth": 0.5, "edges": 0.4, "scene": 999.0}}
    answer = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [odd], "values": "reported"}).json()
    assert answer["added"] == 1
    (sentinel, dominant) = answer["findings"]
    assert sentinel.startswith("1 value is exactly 999 (scene in depth+edges+scene).")
    assert dominant.startswith("Task scene makes up more than 99 % of the sum")


def test_results_without_seeds_take_the_next_seeds_and_the_same_again_changes_nothing(
    site_of: Callable[[str], Site],
) -> None:
    site = site_of("external")
    job = site.submit(seed=3)
    first, second = (as_csv([(Network.of("depth"), seed)], with_seeds=False) for seed in (0, 1))
    for content, answer in (
        (first, {"added": 1, "known": 0}),
        (first, {"added": 0, "known": 1}),
        (second, {"added": 1, "known": 0}),
        (first + second.split("\n", 1)[1].replace("depth", "scene"), {"added": 1, "known": 1}),
    ):
        told = site.add(job, content)
        assert counts(told) == answer, told.text
    assert [(str(t.network), t.seed) for t in site.store.trials(job)] == [
        ("depth", 3000),
        ("depth", 3001),
        ("scene", 3000),
    ]
    full = site.add(job, as_csv([(Network.of("depth"), 2)], with_seeds=False))
    assert "every one of the 2 seeds of the search has a result" in full.json()["detail"]


def test_a_job_that_has_succeeded_stays_and_one_that_was_cancelled_goes_on_with_results(
    site_of: Callable[[str], Site],
) -> None:
    site = site_of("external")
    job = site.submit()
    site.api.post(f"/v1/jobs/{job}/cancel")
    assert site.add(job, as_csv(half()), values="reported").json()["added"] == len(half())
    site.api.post(f"/v1/jobs/{job}/resume").raise_for_status()
    site.work(job)
    assert not set(site.starts()) & {(n.group, n.size, seed) for n, seed in half()}
    before = site.store.trials(job)
    answer = site.add(job, as_csv(half()), values="reported")
    assert (answer.status_code, "clone it" in answer.json()["detail"]) == (409, True)
    assert site.store.trials(job) == before
    more = {"tasks": ["depth"], "size": "small", "validation": {"depth": 0.01}}
    clone = site.api.post(
        f"/v1/jobs/{job}/clone", json={"results": [{"trainings": [more], "source": "later"}]}
    ).json()["id"]
    told = [trial for trial in site.store.trials(clone) if trial.told is not None]
    assert [(trial.network.name(), trial.told and trial.told.source) for trial in told] == [
        ("depth@0.45", "later")
    ]


def test_a_training_that_a_worker_has_now_cannot_be_told(site_of: Callable[[str], Site]) -> None:
    site = site_of("external")
    job = site.submit()
    with carried_out(site.store) as control:
        lease: dict[str, Any] = {}
        while not lease:
            answer = site.api.post("/v1/leases", json={"worker": "me"})
            lease = answer.json() if answer.status_code == 200 else {}
        told = {
            "tasks": lease["tasks"],
            "size": lease["size"],
            "seed": lease["seed"],
            "validation": dict.fromkeys(lease["tasks"], 0.5),
        }
        refused = site.api.post(f"/v1/jobs/{job}/results", json={"trainings": [told], "values": "reported"})
        control.stop.set()
    assert "it is in training now" in refused.json()["detail"]


def test_all_that_is_told_needs_no_training_and_a_wide_table_of_means_is_read(
    site_of: Callable[[str], Site],
) -> None:
    site = site_of("external")
    job = site.submit(n_seeds=1, n_confirmation_seeds=0)
    rows = ["network,size,cost,depth,edges,scene"]
    networks = list_candidates(NAMES, max_group_size=3, single_sizes=(0.45,))
    for network in networks:
        group = sorted(network.group)
        cells = [repr(value_of(task, group, network.size, 0)) if task in group else "" for task in NAMES]
        rows.append(f"{network.name(NAMES)},{network.size},9,{','.join(cells)}")
    assert site.add(job, "\n".join(rows), values="reported").json()["added"] == len(networks)
    site.work(job)
    assert site.starts() == []
    table = site.store.score_table(site.store.get_job(job).score_table_id)
    assert {network.key: network.cost_snt for network in table.networks} == {
        network.key: 0.45 if network.size != 1 else 1.0 for network in networks
    }
    assert np.isfinite(table.validation_losses[table.membership]).all()


def test_the_pages_take_a_file_show_what_is_wrong_and_mark_what_was_told(
    site_of: Callable[[str], Site],
) -> None:
    site = site_of("external")
    job = site.submit()
    assert "Seeds of the search: 0, 1" in site.page(f"/jobs/{job}/results")
    path, headers = f"/jobs/{job}/results", {"Accept": "text/html"}
    fields = {"values": "reported", "told_by": "ada"}
    for content, fields_sent, words in (
        (as_csv(half()).replace("scene", "speed"), fields, "has no task &#39;speed&#39;"),
        (as_csv(half()), {}, "may be its accuracy"),
        ("", fields, "Choose a file with a score table"),
    ):
        answer = site.api.post(path, files={"file": ("half.csv", content)}, data=fields_sent, headers=headers)
        assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert site.store.trials(job) == ()
    answer = site.api.post(path, files={"file": ("half.csv", as_csv(half()))}, data=fields, headers=headers)
    assert f"{len(half())} results were added" in answer.text
    trial = site.store.trials(job)[0]
    assert "from outside: half.csv" in site.page(f"/jobs/{job}/trials")
    assert "by ada, from half.csv" in site.page(f"/jobs/{job}/trials/{trial.id}")

    text = 'name = "pumps"\ntrainer = {name = "external", parameters = {data = "v1"}}\nbudgets = [3]\n'
    text += "".join(f'[[tasks]]\nname = "{name}"\n' for name in NAMES)
    content = "network,size,task,validation_loss\n" + "".join(f"{n},1,{n},0.5\n" for n in NAMES)
    files = {"results": ("singles.csv", content)}
    read = site.api.post("/jobs/new/file", files=files, data={"text": text, "action": "read"})
    assert "3 trainings from outside" in read.text
    named = 'results = "old/singles.csv"\n' + text
    unread = site.api.post("/jobs/new/file", data={"text": named, "action": "read"})
    assert (unread.status_code, "lies on your machine" in unread.text) == (422, True)
    assert "<strong>Line 1</strong>" in unread.text
    read = site.api.post("/jobs/new/file", files=files, data={"text": named, "action": "read"})
    assert "3 trainings from outside" in read.text
    wrong = {"results": ("singles.csv", content.replace("scene", "speed"))}
    refused = site.api.post("/jobs/new/file", files=wrong, data={"text": text, "action": "submit"})
    assert (refused.status_code, "has no task" in refused.text) == (422, True)
    made = site.api.post("/jobs/new/file", files=files, data={"text": text, "action": "submit", "key": "k"})
    assert made.status_code == 303
    told = site.store.trials(made.headers["location"].removeprefix("/jobs/"))
    assert [trial.told and trial.told.source for trial in told] == ["singles.csv"] * 3


def test_the_form_of_a_new_job_takes_files_with_results(site_of: Callable[[str], Site]) -> None:
    site = site_of("external")
    content = "network,size,task,validation_loss\n" + "".join(f"{n},1,{n},0.5\n" for n in ("digit", "loop"))
    files = [("results", ("one.csv", content)), ("results", ("two.csv", content.replace("0.5", "0.4")))]
    fields = {"problem": "digits", "task": ["digit", "loop"], "values": "losses"}
    told = site.api.post("/jobs", files=files, data={**fields, "action": "estimate"})
    assert "4 trainings from outside" in told.text, told.text
    wrong = [files[0], ("results", ("two.csv", content.replace("loop", "speed")))]
    refused = site.api.post("/jobs", files=wrong, data=fields)
    assert refused.status_code == 422
    fault = refused.text.partition('id="results-fault">')[2].partition("</span>")[0]
    assert "has no task &#39;speed&#39;" in fault
    assert '<option value="losses" selected>' in refused.text
    made = site.api.post("/jobs", files=files, data={**fields, "key": "k"})
    trials = site.store.trials(made.headers["location"].removeprefix("/jobs/"))
    sources = [trial.told.source for trial in trials if trial.told is not None]
    assert sorted(sources) == ["one.csv", "one.csv", "two.csv", "two.csv"]


def test_a_search_file_names_its_results_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "half.csv").write_text(as_csv(half()))
    (tmp_path / "old" / "one.csv").write_text("network,size,task,validation_loss\ndepth,small,depth,0.5\n")
    search = tmp_path / "search.json"

    def priced(results: Any) -> Any:
        trainer = {"name": "external", "parameters": {"data": "v1"}}
        search.write_text(json.dumps({"results": results, **REQUEST, "trainer": trainer}, indent=1))
        home = ("--home", str(tmp_path / "home"))
        return CliRunner().invoke(app, ["run", str(search), "--dry-run", "--json", *home])

    reported = {"file": "old/half.csv", "values": "reported"}
    for results, n_told in (
        ("old/one.csv", 1),
        (reported, len(half())),
        (["old/one.csv", reported], 1 + len(half())),
    ):
        found = priced(results)
        assert found.exit_code == 0, (found.output, found.exception)
        assert json.loads(found.stdout)["told"] == n_told
    for wrong, words in (
        ("new.csv", "new.csv"),
        ("old/half.csv", "may be its accuracy"),
        ({"file": "old/half.csv", "value": "losses"}, "there is no key 'value'"),
        ({"file": "old/half.csv", "values": "gains"}, "values is one of"),
        ([7], "results.0: "),
    ):
        refused = priced(wrong)
        assert isinstance(refused.exception, SearchFileError), (wrong, refused.output)
        assert words in str(refused.exception)
        assert re.search(r"line [23]: ", str(refused.exception))


def test_the_commands_and_the_client_tell_results(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "grouping.db"
    database.write_bytes(sqlite_template.read_bytes())
    search, results = tmp_path / "search.json", tmp_path / "half.csv"
    trainer = {"name": "external", "parameters": {"data": "v1"}}
    search.write_text(json.dumps({**REQUEST, "trainer": trainer}))
    results.write_text(as_csv(half()))
    run = ("run", str(search), "--results", str(results), "--values", "reported")
    with server(f"sqlite:///{database}", tmp_path / "log") as (url, _), Client(url) as client:

        def grouping(*arguments: str) -> str:
            found = CliRunner().invoke(app, [*arguments, "--server", url])
            assert found.exit_code == 0, (found.output, found.exception)
            return found.stdout

        priced = json.loads(grouping(*run, "--dry-run", "--json"))
        assert priced["told"] == len(half())
        job = client.job(grouping(*run, "--detach").strip())
        assert job.ledger().told == len(half())
        assert "0 results added, 8 were known" in grouping(
            "add-results", job.id, str(results), "--values", "reported"
        )
        small = [{"tasks": ["depth"], "size": "small", "validation": {"depth": 0.5}}]
        assert job.add_results(small, name="by hand", told_by="ada").added == 1
        last = job.trials()[-1]
        assert last.told is not None
        assert (last.network, last.told.source, last.told.told_by) == ("depth@0.45", "by hand", "ada")
        with pytest.raises(ServiceError, match="has no task 'speed'"):
            job.add_results("network,task,validation_loss\nspeed,speed,0.5\n")
        results.write_text("network,size,cost,depth,edges,scene\nall,large,9,0.5,0.4,999\n")
        odd = CliRunner().invoke(
            app, ["add-results", job.id, str(results), "--values", "reported", "--server", url]
        )
        assert "Look at half.csv: 1 value is exactly 999" in odd.stderr
        wide = "network,size,cost,scene\nscene,small,9,0.5\n"
        clone = grouping("clone", job.id, "--detach").strip()
        assert client.job(clone).add_results(wide, name="pasted").added == 1
