"""What trainings tell, gathered by trial."""

from __future__ import annotations

from grouping.domain.trainings.progress import Progress
from grouping.store import TrialReport
from grouping_workers.job.executor import Report
from grouping_workers.job.training_queue import by_trial


def test_of_several_reports_of_a_trial_none_is_lost() -> None:
    first, second = Progress(1, {"loss": 0.5}), Progress(2, {"loss": 0.4})
    reports = [
        Report("a", (first,), "epoch 1\n"),
        Report("b", (), "other\n"),
        Report("a", (second,), "epoch 2\n"),
    ]
    assert by_trial(reports) == {
        "a": TrialReport((first, second), "epoch 1\nepoch 2\n"),
        "b": TrialReport((), "other\n"),
    }
