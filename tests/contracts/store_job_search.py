"""What every store does to find jobs again: queries, labels, names, beginnings of identifiers, deletion."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from sqlalchemy import text, update

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.labels import MAX_TAGS, LabelChanges
from grouping.domain.jobs.query import JobOrder, JobQuery
from grouping.errors import AmbiguousIdError, InvalidInputError, NotFoundError
from grouping.store import Store
from grouping.store.migrations.versions import v0016_labels
from grouping.store.rows import JobRow
from tests.contracts.scenarios import (
    DEPTH,
    SPEC,
    TASKS,
    claim,
    everything,
    finished_source,
    prepare,
    requests,
    submit,
)


def names(store: Store, **query: Any) -> list[str]:
    """Names of the jobs that a query finds, over all pages of two."""
    found: list[str] = []
    token = None
    while True:
        page = store.list_jobs(JobQuery(**query), limit=2, after=token)
        found += [job.name for job in page]
        token = page.next_token
        if token is None:
            return found


def ended(store: Store, name: str) -> Job:
    """A job that ended."""
    job = submit(store, name)
    store.request_cancel(job.id)
    return job


class JobSearchContract:
    """Queries find what they ask for, on every page once; labels change and are found."""

    def test_a_query_finds_what_is_true_in_everything_it_asks(self, store: Store) -> None:
        submit(store, "Größe 100%", fields={"tags": ("Team:Vision", "slow")})
        submit(store, "grösse_2", fields={"tags": ("slow",)})
        ended(store, "other")
        assert names(store) == ["other", "grösse_2", "Größe 100%"]
        assert names(store, name="GRÖSSE") == ["grösse_2", "Größe 100%"]
        assert names(store, name="100%") == ["Größe 100%"]
        assert names(store, name="e_2") == ["grösse_2"], "no wildcards"
        assert names(store, tag=("SLOW",)) == ["grösse_2", "Größe 100%"]
        assert names(store, tag=("slow", "team:vision")) == ["Größe 100%"]
        assert names(store, tag=("team",)) == [], "a tag is meant as a whole"
        assert names(store, state=("cancelled", "failed")) == ["other"]
        assert names(store, state=("queued",), name="grösse", tag=("team:vision",)) == ["Größe 100%"]
        assert names(store, problem="synthetic") == names(store)
        assert names(store, problem="synth") == []
        assert names(store, text="scene synthetic") == names(store), "a task and the problem"
        assert names(store, text="vision 100") == ["Größe 100%"]
        assert names(store, text="nothing such") == []

    def test_orders_show_each_job_once_also_where_keys_are_equal(self, store: Store) -> None:
        for name in ("b", "A", "a", "ä", "c"):
            submit(store, name)
        late, early = ended(store, "late"), ended(store, "early")
        with store._database.writing() as session:
            for job, finished_s in ((late, 2e9), (early, 1e9)):
                session.execute(update(JobRow).where(JobRow.id == job.id).values(finished_s=finished_s))
            session.execute(update(JobRow).values(created_s=5.0))
        assert names(store, sort="name") == ["A", "a", "b", "c", "early", "late", "ä"]
        assert names(store, sort="ended")[-2:] == ["late", "early"]
        for order in JobOrder:
            assert sorted(names(store, sort=order)) == sorted(names(store))
        assert names(store, sort="oldest") == names(store)[::-1]

    def test_a_token_is_good_for_the_order_that_it_came_from(self, store: Store) -> None:
        for name in ("a", "b"):
            submit(store, name)
        for first, second in itertools.permutations(JobOrder, 2):
            token = store.list_jobs(JobQuery(sort=first), limit=1).next_token
            with pytest.raises(InvalidInputError, match="sorted otherwise"):
                store.list_jobs(JobQuery(sort=second), after=token)

    # --- names

    def test_jobs_without_a_name_get_one_each(self, store: Store) -> None:
        made = [submit(store, "") for _ in range(3)]
        base = "synthetic, 3 tasks"
        assert [job.name for job in made] == [base, f"{base} (2)", f"{base} (3)"]
        assert made[0].spec.name == ""
        store.change_labels(made[1].id, LabelChanges(name="mine"))
        assert submit(store, "").name == f"{base} (4)"
        spec = dataclasses.replace(SPEC, name="")
        again, _ = store.create_job(spec, TASKS, named_after="mine (7)")
        assert again.name == "mine (2)"
        assert store.get_table_info(again.score_table_id).name == "mine (2)"
        assert submit(store, "mine").name == "mine", "a name that was chosen stays"

    def test_a_renamed_job_is_found_by_its_new_name_only(self, store: Store) -> None:
        job = submit(store, "old")
        renamed = store.change_labels(job.id, LabelChanges(name="  new "))
        assert (renamed.name, renamed.spec) == ("new", job.spec)
        assert store.get_job(job.id) == renamed
        assert store.get_table_info(job.score_table_id).name == "new"
        assert (names(store, text="old"), names(store, name="NEW")) == ([], ["new"])
        assert store.change_labels(job.id, LabelChanges(name="")).name == "synthetic, 3 tasks"
        assert store.events(job.id)[1].data == {"name": "new"}

    def test_tags_and_notes_change_in_any_state_and_again_nothing(self, store: Store) -> None:
        job = ended(store, "a job")
        changes = LabelChanges(note="ran on Monday\n\0", add_tags=("b", "A", "a"), drop_tags=("x",))
        changed = store.change_labels(job.id, changes)
        assert (changed.tags, changed.note) == (("b", "A"), "ran on Monday\n\ufffd")
        before = everything(store)
        store.change_labels(job.id, changes)
        assert everything(store) == before
        assert store.change_labels(job.id, LabelChanges(drop_tags=("B",))).tags == ("A",)
        assert names(store, text="monday") == ["a job"]
        with pytest.raises(NotFoundError):
            store.change_labels("0" * 32, changes)

    def test_more_tags_than_a_job_may_have_are_refused(self, store: Store) -> None:
        job = submit(store)
        store.change_labels(job.id, LabelChanges(add_tags=tuple(f"t{i}" for i in range(MAX_TAGS))))
        with pytest.raises(InvalidInputError, match="at most"):
            store.change_labels(job.id, LabelChanges(add_tags=("one-more",)))

    def test_jobs_from_before_there_were_labels_are_named_and_found(self, store: Store) -> None:
        made = [submit(store, name) for name in ("", "kept", "", "")]
        with store._database.writing() as session:
            session.execute(update(JobRow).values(name_key="", search_text=""))
            unnamed = JobRow.id.in_([made[0].id, made[2].id, made[3].id])
            session.execute(update(JobRow).where(unnamed).values(name=""))
            v0016_labels.label_jobs(session.connection())
        base = "synthetic, 3 tasks"
        assert names(store, sort="oldest") == [base, "kept", f"{base} (2)", f"{base} (3)"]
        assert names(store, text="scene kept") == ["kept"]
        assert store.get_table_info(made[3].score_table_id).name == f"{base} (3)"

    # --- identifiers

    def test_the_beginning_of_an_identifier_is_enough_where_it_is_the_only_one(self, store: Store) -> None:
        first, second = submit(store, "one"), submit(store, "two")
        fixed = {first.id: "abcd" + "1" * 28, second.id: "abcd" + "2" * 28}
        with store._database.writing() as session:
            for old, new in fixed.items():
                session.execute(text("DELETE FROM events WHERE job_id = :old"), {"old": old})
                session.execute(update(JobRow).where(JobRow.id == old).values(id=new))
        assert store.whole_id("job", "abcd1") == "abcd" + "1" * 28
        table = first.score_table_id
        assert store.whole_id("score table", table[:-1]) == table
        with pytest.raises(NotFoundError, match="no job 'abc'; its first 4 characters are needed"):
            store.whole_id("job", "abc")
        for unknown in ("abx", "abcd3", "ABCD1", "", "x" * 40, "abcd%", "\ud800", "abcd" + "1" * 28):
            assert store.whole_id("job", unknown) == unknown
        with pytest.raises(AmbiguousIdError, match="2 jobs") as caught:
            store.whole_id("job", "abcd")
        assert caught.value.candidates == {"abcd" + "2" * 28: "two", "abcd" + "1" * 28: "one"}

    # --- deletion

    def test_a_deletion_says_what_goes_and_who_depends_on_it(self, store: Store) -> None:
        source = finished_source(store, requests(DEPTH))
        store.add_grouping(source.score_table_id, revision=1, request={}, answer={})
        copying = submit(store, "copies", reuse_jobs=(source.id,))
        held = claim(store)
        prepare(store, held)
        store.enter_state(held, JobState.RUNNING)
        assert store.plan_reused(held, requests(DEPTH), planned_epochs=[10]) == 1
        waiting = submit(store, "waits", reuse_jobs=(source.id,))
        told = store.job_dependents(source.id)
        assert (told.n_trainings, told.n_groupings) == (1, 1)
        assert (told.copied_by, told.wanted_by) == ((copying.id,), (copying.id, waiting.id))
        assert len(told.sentences()) == 3
        assert store.delete_job(source.id) == told
        assert len(store.trials(copying.id)) == 1
        with pytest.raises(NotFoundError):
            store.job_dependents(source.id)
