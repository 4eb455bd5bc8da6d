"""What every surface says of a job, in every state: each sentence is true, no two contradict each other."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from grouping.cli.jobs import watch
from grouping.client import Client
from grouping.domain.jobs.job import Job, JobState, Stop, StopReason
from grouping.domain.jobs.sentences import JobSentences
from grouping.domain.jobs.specification import TrainingBudget
from grouping.domain.jobs.verbs import JobVerb, refusal
from grouping.domain.networks import list_candidates
from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.ledgers import Amount, Savings
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.solver import networks_to_confirm, recommend
from grouping.store import Store
from tests.integration.conftest import NAMES, Api, Scenes, outcome_of, server

TASKS = NAMES[:3]
CANDIDATES = list_candidates(TASKS, max_group_size=3, single_sizes=(0.5,))
N_SEEDS = 2


# --- jobs in every state


def claimed(scenes: Scenes, **spec: Any) -> Job:
    job = scenes.submitted(TASKS, budgets_snt=(1.0, 2.0), n_seeds=N_SEEDS, **spec)
    claim = scenes.store.claim_job("scenes", lease_s=3600)
    assert claim is not None
    assert claim.job.id == job.id
    scenes.claims[job.id] = claim
    scenes.store.enter_state(claim, JobState.PREPARING)
    return job


def searching(scenes: Scenes, n_networks: int = len(CANDIDATES), n_done: int = 0, **spec: Any) -> Job:
    """Some networks are planned with every seed, some trainings done, two more under way."""
    job = claimed(scenes, **spec)
    claim = scenes.claims[job.id]
    scenes.store.record_preparation(claim, data_digest="0" * 64, versions={})
    scenes.add(claim, CANDIDATES)
    scenes.store.enter_state(claim, JobState.RUNNING)
    scenes.plan(claim, CANDIDATES[len(CANDIDATES) - n_networks :], job.spec.search_seeds, Purpose.SEARCH)
    scenes.train(job, n_done)
    for trial in scenes.store.trials(job.id, states=(TrialState.PLANNED,))[:2]:
        scenes.store.start_trial(claim, trial.id)
    return job


def confirming(scenes: Scenes, n_done: int, *, n_networks: int = len(CANDIDATES), **spec: Any) -> Job:
    job = searching(scenes, n_networks, n_networks * N_SEEDS, **spec)
    claim = scenes.claims[job.id]
    scenes.store.enter_state(claim, JobState.CONFIRMING)
    if job.spec.n_confirmation_seeds:
        table = scenes.store.score_table(job.score_table_id)
        networks = networks_to_confirm(recommend(table, None, job.spec.budgets_snt), table.task_names)
        scenes.add(claim, networks)
        scenes.plan(claim, networks, job.spec.confirmation_seeds, Purpose.CONFIRMATION)
        scenes.train(job, n_done)
    return job


def ended(scenes: Scenes, job: Job, state: JobState, **why: Any) -> Job:
    scenes.store.enter_state(scenes.claims[job.id], state, **why)
    return job


def cancelled(scenes: Scenes, job: Job) -> Job:
    scenes.store.request_cancel(job.id)
    return ended(scenes, job, JobState.CANCELLED)


def cut_off(scenes: Scenes) -> Job:
    job = searching(scenes, n_done=12, training_budget=TrainingBudget(trainings=14))
    claim = scenes.claims[job.id]
    for trial in scenes.store.trials(job.id, states=(TrialState.RUNNING,)):
        scenes.store.requeue_trial(claim, trial.id, "moved", LossCause.WITH_WORKER)
    left = scenes.store.trials(job.id, states=(TrialState.PLANNED,))
    scenes.store.skip_trials(claim, [trial.id for trial in left])
    return ended(scenes, job, JobState.SUCCEEDED, stop_reason=StopReason.TRAINING_BUDGET_SPENT)


def cancelled_before_it_began(scenes: Scenes) -> Job:
    job = scenes.submitted(TASKS)
    scenes.store.request_cancel(job.id)
    return job


def resumed(scenes: Scenes) -> Job:
    job = cancelled(scenes, searching(scenes, n_done=7))
    scenes.store.resume(job.id)
    return job


def copying(scenes: Scenes) -> Job:
    """Half of the trainings are copied from a job that is over, the others trained."""
    source = searching(scenes, n_done=20, n_confirmation_seeds=0)
    ended(scenes, source, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
    job = searching(scenes, 0, reuse_jobs=(source.id,), n_confirmation_seeds=0)
    claim = scenes.claims[job.id]
    wanted = [TrialRequest(network, job.spec.search_seeds[0]) for network in CANDIDATES]
    assert scenes.store.plan_reused(claim, wanted, planned_epochs=[25] * len(wanted)) == len(wanted)
    scenes.plan(claim, CANDIDATES, job.spec.search_seeds, Purpose.SEARCH)
    scenes.train(job)
    return ended(scenes, job, JobState.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)


def paused(scenes: Scenes, **done: int) -> Job:
    job = searching(scenes, **done)
    claim = scenes.claims[job.id]
    for trial in scenes.store.trials(job.id, states=(TrialState.RUNNING,)):
        scenes.store.record_outcome(claim, trial.id, outcome_of(trial))
    scenes.store.request_pause(job.id)
    return ended(scenes, job, JobState.PAUSED)


def stopped(scenes: Scenes, job: Job, stop: Stop = Stop.SEARCH) -> Job:
    scenes.store.request_stop(job.id, stop)
    return ended(scenes, job, SUCCEEDED, stop_reason=StopReason.STOPPED_BY_USER)


SUCCEEDED = JobState.SUCCEEDED
CUT_OFF = (StopReason.TRAINING_BUDGET_SPENT, StopReason.STOPPED_BY_USER)
STATES: Mapping[str, Callable[[Scenes], Job]] = {
    "queued": lambda s: s.submitted(TASKS),
    "preparing": claimed,
    "running, none done": searching,
    "running, some done": lambda s: searching(s, n_done=7),
    "running, all to be confirmed later": lambda s: searching(s, n_done=20),
    "running, not to be confirmed": lambda s: searching(s, n_done=20, n_confirmation_seeds=0),
    "confirming, none done": lambda s: confirming(s, 0),
    "confirming, some done": lambda s: confirming(s, 30),
    "cancelling": lambda s: s.store.request_cancel(searching(s, n_done=7).id),
    "cancelled before it began": cancelled_before_it_began,
    "cancelled, none done": lambda s: cancelled(s, searching(s)),
    "cancelled, some done": lambda s: cancelled(s, searching(s, n_done=7)),
    "cancelled while confirming": lambda s: cancelled(s, confirming(s, 10)),
    "failed": lambda s: ended(s, searching(s, n_done=7), JobState.FAILED, error="The disk is full."),
    "succeeded, complete": lambda s: ended(
        s, confirming(s, 99), SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE
    ),
    "succeeded, converged": lambda s: ended(
        s, confirming(s, 99, n_networks=7), SUCCEEDED, stop_reason=StopReason.CONVERGED
    ),
    "succeeded, not to be confirmed": lambda s: ended(
        s, confirming(s, 0, n_confirmation_seeds=0), SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE
    ),
    "succeeded, budget spent": cut_off,
    "succeeded, with copies": copying,
    "resumed": resumed,
    "pausing": lambda s: s.store.request_pause(searching(s, n_done=7).id),
    "paused": lambda s: paused(s, n_done=7),
    "paused before it began": lambda s: s.store.request_pause(s.submitted(TASKS).id),
    "stopped, still searching": lambda s: s.store.request_stop(searching(s, n_done=20).id),
    "stopped, confirming": lambda s: s.store.request_stop(confirming(s, 10).id),
    "stopped and confirmed": lambda s: stopped(s, confirming(s, 99, n_networks=7)),
    "stopped, not confirmed": lambda s: stopped(s, searching(s, n_done=20), Stop.ALL),
}


# --- what a sentence claims, and when that is so


def is_final(state: JobState, _reason: StopReason | None) -> bool:
    return state.is_final


CLAIMS: Mapping[str, Callable[[JobState, StopReason | None], bool]] = {
    r"\bso far\b|\bSo far\b|\byet\b": lambda state, _: not state.is_final,
    r"\bsaved\b": lambda state, why: state is SUCCEEDED and why not in CUT_OFF,
    r"are being trained": lambda state, _: state in (JobState.RUNNING, JobState.CONFIRMING),
    r"will be trained|after the search": lambda state, _: (
        not state.is_final and state not in (JobState.CONFIRMING, JobState.CANCELLING)
    ),
    r"being cancelled": lambda state, _: state is JobState.CANCELLING,
    r"was cancelled": lambda state, _: state is JobState.CANCELLED,
    r"job failed": lambda state, _: state is JobState.FAILED,
    r"\b[Rr]esume": lambda state, _: state.is_resumable or state is JobState.PAUSED,
    r"search is over|search is complete": lambda state, _: state in (JobState.CONFIRMING, SUCCEEDED),
    r"being paused": lambda state, _: state is JobState.PAUSING,
    r"job is paused": lambda state, _: state is JobState.PAUSED,
    r"search was stopped": lambda _, why: why is StopReason.STOPPED_BY_USER,
    r"budget was spent": lambda _, why: why is StopReason.TRAINING_BUDGET_SPENT,
    r"[Nn]othing was trained": is_final,
}


def untrue(text: str, state: JobState, reason: StopReason | None) -> list[str]:
    """Claims of a text that do not hold in a state."""
    return [claim for claim, holds in CLAIMS.items() if re.search(claim, text) and not holds(state, reason)]


def words(page: str) -> str:
    """The text of a page without its buttons, events and the form of what was asked."""
    main = page[page.index("<main") :]
    main = re.sub(r"<(button|template|form|svg|title)\b.*?</\1>", " ", main, flags=re.DOTALL)
    main = re.sub(r'<section data-part="events".*?</section>', " ", main, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def pages_of(job: Job) -> Iterator[str]:
    table = f"/score-tables/{job.score_table_id}"
    yield from (f"/jobs/{job.id}", table, f"{table}/networks", f"{table}/networks?budget_snt=1")
    yield from (f"{table}/curve", f"{table}/curve?budget_snt=2")
    yield from (f"{table}/affinity", f"{table}/affinity?method=pairwise", f"{table}/graph")


def trained_networks(text: str) -> set[tuple[int, int]]:
    found = re.findall(r"(\d+) of (\d+) networks trained", text)
    return {(int(networks), int(candidates)) for networks, candidates in found}


@pytest.mark.parametrize("name", STATES)
def test_what_is_said_of_a_job_is_true_in_its_state(
    api: Api, store: Store, scenes: Scenes, name: str
) -> None:
    job = store.get_job(STATES[name](scenes).id)
    ledger = api.get(f"/v1/jobs/{job.id}/ledger").json()
    recommended = api.get(f"/v1/jobs/{job.id}/recommendations").json()["items"]
    pages = {path: words(api.get(path, headers={"Accept": "text/html"}).text) for path in pages_of(job)}
    said = [*pages.values(), ledger["sentence"], *(item["sentence"] for item in recommended)]
    for text in said:
        assert untrue(text, job.state, job.stop_reason) == [], text
    rows = api.get(f"/v1/jobs/{job.id}/progress").json()["rows"]
    ends = ("succeeded", "diverged", "failed")
    done = dict.fromkeys(Purpose, 0)
    for row in rows:
        done[row["purpose"]] += sum(row[end] for end in ends)
    planned = sum(row[state] for row in rows for state in ("planned", "running")) + sum(done.values())
    # The networks that are said to be trained are those with an outcome, on every surface.
    outcomes = {
        trial.network
        for trial in store.trials(job.id, states=(TrialState.SUCCEEDED,))
        if trial.purpose is Purpose.SEARCH
    }
    told = set().union(*map(trained_networks, said))
    assert told <= {(len(outcomes), len(CANDIDATES))}
    assert len(outcomes) <= done[Purpose.SEARCH]
    assert trained_networks(ledger["sentence"])
    # Only a search that came to its end has saved something, in words and in numbers.
    assert (ledger["savings"]["saved"] is not None) == JobSentences.of(job).has_searched
    assert ledger["savings"]["trained"]["trainings"] + ledger["savings"]["reused"] == done[Purpose.SEARCH]
    page = pages[f"/jobs/{job.id}"]
    counted = [
        (int(finished), int(least), int(most or least))
        for finished, least, most in re.findall(r"(\d+) of (\d+)(?: to (\d+))? trainings to", page)
    ]
    assert sum(finished for finished, _, _ in counted) == sum(done.values())
    assert sum(most for _, _, most in counted) >= planned
    assert not job.state.is_final or sum(least for _, least, _ in counted) == planned
    assert bool(planned) != bool(re.search("Nothing is planned|Nothing was trained", page))
    for item in recommended:
        assert item["sentence"] in page
        is_covered = item["solution"]["grouping"] is not None
        verdict = item["verdict"]
        is_confirmed = verdict is not None and verdict["is_confirmed"]
        assert is_covered or "cover" in item["sentence"]
        assert not is_covered or is_confirmed != item["sentence"].startswith("Not confirmed")
        if is_confirmed:
            start = "" if job.state.is_final else "So far: "
            assert item["sentence"] == start + verdict["sentence"]
        if is_covered and item["budget_snt"] == 1:
            assert item["sentence"] in pages[f"/score-tables/{job.score_table_id}/networks?budget_snt=1"]


@pytest.mark.parametrize("name", STATES)
def test_a_verb_is_refused_with_what_is_true_and_offered_where_it_is_not(
    api: Api, store: Store, scenes: Scenes, name: str
) -> None:
    job = store.get_job(STATES[name](scenes).id)
    page = api.get(f"/jobs/{job.id}", headers={"Accept": "text/html"}).text
    for verb in JobVerb:
        why = refusal(verb, job.state)
        if why is None:
            continue
        path = f"/v1/jobs/{job.id}" + ("" if verb is JobVerb.DELETE else f"/{verb}")
        answer = api.request("DELETE" if verb is JobVerb.DELETE else "POST", path)
        assert (answer.status_code, answer.json()["detail"]) == (409, why)
        assert f'id="{verb}"' not in page
    assert store.get_job(job.id).state is job.state


def test_refusals_advise_what_the_state_allows() -> None:
    for verb, state in product(JobVerb, JobState):
        why = refusal(verb, state)
        if why is None:
            continue
        assert untrue(why.replace("resumed.", ""), state, None) in ([], [r"\b[Rr]esume"]), why
        if "cancel it" in why:
            assert refusal(JobVerb.CANCEL, state) is None
            assert state is not JobState.CANCELLING, "it is being cancelled already"
        if "when it has ended" in why:
            assert state is JobState.CANCELLING
    for state in JobState:
        assert any(refusal(verb, state) is None for verb in JobVerb), "something can always be done"


def test_the_sentences_of_every_standing_hold_in_it_whatever_the_numbers() -> None:
    facts = product(JobState, (None, *StopReason), (True, False), (0.0, 0.12, 1.0, 1.3), (0, 3))
    for state, reason, confirms, share, reused in facts:
        if reason is not None and state is not SUCCEEDED:
            continue
        sentences = JobSentences(state, reason, confirms)
        made = Savings(Amount(100, 1000, 100.0), Amount(10, int(1000 * share), 10.0), 36, 9, reused)
        said = (
            sentences.hint,
            sentences.unconfirmed,
            sentences.more,
            sentences.unplanned,
            sentences.search(made),
        )
        for sentence in said:
            assert untrue(sentence, state, reason) == [], sentence
        assert ("saved" in said[-1]) == (sentences.has_searched and share < 1)
        assert trained_networks(said[-1].replace(" or copied", "")) == {(9, 36)}
        assert said[-1].count("%") <= 1


def test_the_command_line_ends_with_what_the_page_says(
    tmp_path: Path, sqlite_url: str, store: Store, scenes: Scenes
) -> None:
    over = [name for name in STATES if name.startswith(("cancelled", "failed", "succeeded"))]
    jobs = {name: store.get_job(STATES[name](scenes).id) for name in over}
    with server(sqlite_url, tmp_path / "api.log") as (url, _), Client(url) as client:
        for name, job in jobs.items():
            shown = io.StringIO()
            status = watch(Console(file=shown, width=200), client.job(job.id))
            said = shown.getvalue()
            assert client.job(job.id).ledger().sentence in said, name
            assert untrue(said, job.state, job.stop_reason) == [], said
            parts = re.findall(
                r"Spent in all: ([\d,]+)(?: of [\d,]+)? trainings(?: \(([^)]*)\))?,", said.replace("\n", " ")
            )
            assert len(parts) == 1, said
            ((total, split),) = parts
            assert not split or sum(map(int, re.findall(r"\d+", split))) == int(total), said
            assert (status == 0) == (job.state is SUCCEEDED), name
