"""Metrics for Prometheus: what is counted, by which labels, for whom, and what is left without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from grouping.domain.access import NewToken, Scope
from grouping.errors import OverloadedError, StoreUnavailableError
from grouping.store import Store
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.integration.conftest import Api, Scenes


def read(api: Api, **headers: str) -> Mapping[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    answer = api.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_jobs_trials_and_dispatchers_are_counted(api: Api, scenes: Scenes) -> None:
    scenes.finished()
    job = scenes.running()
    scenes.train(job, 5)
    scenes.submitted()
    scenes.store.tell_alive("one", 2)
    told = read(api)
    states = ("queued", "running", "succeeded", "failed")
    assert [told["grouping_jobs", state] for state in states] == [1, 1, 1, 0]
    assert told["grouping_trials", "succeeded"] == 5, "those of jobs that have ended are not counted"
    assert told["grouping_trials", "planned"] == len(scenes.store.trials(job.id)) - 5
    assert (told["grouping_dispatchers",], told["grouping_database_up",]) == (1, 1)
    assert told["process_resident_memory_bytes",] > 1e6


def test_requests_are_counted_by_method_route_and_status(api: Api, scenes: Scenes) -> None:
    job = scenes.submitted()
    for path in (f"/v1/jobs/{job.id}", f"/v1/jobs/{job.id[:8]}", f"/v1/jobs/{'0' * 32}", "/wp-login.php"):
        api.get(path)
    api.request("BREW", f"/v1/jobs/{job.id}")
    counted = {key[1:]: n for key, n in read(api).items() if key[0] == "grouping_http_request_seconds_count"}
    assert counted == {
        ("GET", "/v1/jobs/{job_id}", "200"): 2,
        ("GET", "/v1/jobs/{job_id}", "404"): 1,
        ("GET", "none", "404"): 1,
        ("other", "/v1/jobs/{job_id}", "405"): 1,
    }


def test_work_under_way_what_waits_and_what_is_refused_are_told(store: Store) -> None:
    app = create_app(
        Settings.model_validate({"solve_processes": 1, "solve_queue": 1, "event_streams": 1}), store
    )
    api, turns = Api(app), app.state.solving_turns

    async def fill() -> None:
        with app.state.callers.waiting() as caller:
            async with turns.let_in(), turns.turn(caller, 1.0), turns.let_in():
                with pytest.raises(OverloadedError):
                    async with turns.let_in():
                        pass
                seen.append(await asyncio.to_thread(read, api))

    seen: list[Mapping[tuple[str, ...], float]] = []
    before = read(api)
    asyncio.run(fill())
    (told,) = seen
    for name in ("grouping_work_under_way", "grouping_work_waiting", "grouping_overloaded_total"):
        assert (before[name, "solve"], told[name, "solve"]) == (0, 1), name
    assert told["grouping_work_wait_seconds_count", "solve"] == 1
    assert told["grouping_work_under_way", "stream"] == 0
    assert read(api)["grouping_work_under_way", "solve"] == 0


def test_a_token_that_reads_is_needed_where_tokens_are_on(store: Store) -> None:
    locked = Api(create_app(Settings.model_validate({"api_token": "x" * 20}), store))
    new = NewToken()
    store.add_token(new, "prometheus", Scope.READ)
    assert locked.get("/metrics").status_code == 401
    told = read(locked, Authorization=f"Bearer {new.secret}")
    assert told["grouping_http_request_seconds_count", "GET", "none", "401"] == 1


def test_without_the_database_the_rest_is_told(
    api: Api, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(scenes.store, "census", away)
    told = read(api)
    assert told["grouping_database_up",] == 0
    assert ("grouping_jobs", "queued") not in told
    assert ("process_resident_memory_bytes",) in told


def test_reading_the_metrics_takes_a_few_queries_whatever_there_is(api: Api, scenes: Scenes) -> None:
    scenes.finished()
    queries: list[str] = []
    engine = scenes.store._database._engine
    event.listen(engine, "before_cursor_execute", lambda *told: queries.append(told[2]))
    read(api)
    counting = [text for text in queries if "count" in text.lower()]
    assert len(counting) == 4
    assert len(queries) <= 6
