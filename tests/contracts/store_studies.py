"""What every store does with studies."""

from __future__ import annotations

import pytest

from grouping.errors import InvalidInputError, NotFoundError
from grouping.store import Store

REPORT = {"values": [[None, 0.1], [-0.30000000000000004, None]], "words": "a sentence", "seeds": [0, 1]}


class StudyContract:
    """Studies are kept as they are, listed newest first, and deleted."""

    def test_a_study_comes_back_as_it_was_kept(self, store: Store) -> None:
        info = store.add_study("digits", ("loop", "edges"), 2, REPORT, name="mine")
        stored = store.get_study(info.id)
        assert stored.info == info
        assert stored.report == REPORT
        assert (info.name, info.problem, info.tasks, info.n_seeds) == ("mine", "digits", ("loop", "edges"), 2)

    def test_studies_are_listed_newest_first_page_by_page(self, store: Store) -> None:
        made = [store.add_study("digits", ("a",), 1, REPORT) for _ in range(5)]
        first = store.list_studies(limit=3)
        assert first.next_token is not None
        second = store.list_studies(limit=3, after=first.next_token)
        assert [*first, *second] == made[::-1]
        assert second.next_token is None
        with pytest.raises(InvalidInputError):
            store.list_studies(after="nonsense")

    def test_what_is_no_study_is_not_found(self, store: Store) -> None:
        for name in ("0" * 32, "x", "a\0b"):
            with pytest.raises(NotFoundError):
                store.get_study(name)
            with pytest.raises(NotFoundError):
                store.delete_study(name)

    def test_a_deleted_study_is_gone_and_others_stay(self, store: Store) -> None:
        gone, kept = (store.add_study("digits", ("a",), 1, REPORT) for _ in range(2))
        store.delete_study(gone.id)
        assert list(store.list_studies()) == [kept]

    def test_a_report_that_no_database_could_keep_is_refused_or_made_storable(self, store: Store) -> None:
        with pytest.raises(InvalidInputError):
            store.add_study("digits", ("a",), 1, {"value": float("nan")})
        info = store.add_study("digits", ("a\0",), 1, {"words": "b\0"}, name="c\0")
        assert "\0" not in f"{store.get_study(info.id)}"
