"""Search with one of the trainers of this folder, in this process: python search.py [TRAINER]."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from diabetes import TASKS

from grouping import Candidates, Search, Task, TrainerJob, get_strategy
from grouping.trainers import get_trainer


def main(name: str) -> None:
    """Train what the search asks for, and print its recommendations."""
    os.environ["GROUPING_TRAINERS"] = str(Path(__file__).with_name("trainers.toml"))
    search = Search(
        get_strategy("adaptive"),
        [Task.regression(task) for task in TASKS],
        Candidates.of(TASKS, single_sizes=(0.5,)),
        budgets_snt=(1, 2),
        confirmation_seeds=(7, 8, 9),
    )
    search.run(get_trainer(name)(TrainerJob("diabetes", TASKS, search.terms)))
    for found in search.recommendations():
        print(found.solution.require_grouping().describe())
        print(found.verdict.sentence() if found.verdict else "Not confirmed.")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "forest")
