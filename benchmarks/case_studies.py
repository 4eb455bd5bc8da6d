"""Case studies: searches with `--tune each` on public tables, one command each, and the tables in the docs.

    python benchmarks/case_studies.py landmine --table landmine.csv
    python benchmarks/case_studies.py qm9

The data of the second kind come in packages, from which the table is made. Each part of a study is one
`grouping run` on another split of the rows. What came out is written to ``docs/case-studies/results``: the
answers of the API as JSON, and the table that the page of the study shows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from _study_tables import QM9_TARGETS, write_bikes, write_census, write_qm9

from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.trainings.trials import Purpose, Variant
from grouping.domain.verdicts.contestants import Contestant
from grouping.solver import recommend, tunings_of
from grouping.store import open_store

RESULTS = Path(__file__).parents[1] / "docs" / "case-studies" / "results"


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        options: options of `grouping run` beside the table, the split's seed and the tuning.
        split_seeds: seed of the split of each part.
        n_recipes: recipes tried for each.
        write: writes the table into a folder and returns its path; None where the user has the file.
    """

    options: tuple[str, ...]
    split_seeds: tuple[int, ...]
    n_recipes: int = 12
    write: Callable[[Path], Path] | None = None


STUDIES: Mapping[str, Study] = {
    "landmine": Study(
        (
            *("--task-column", "field", "--target", "mine:binary:metric=roc_auc"),
            *("--shares", "0.55,0.2,0.25", "--train-share", "0.25"),
            *("--hidden", "21", "--hidden", "21", "--weight-decay", "1", "--learning-rate", "0.006"),
            *("--epochs", "50", "--max-group-size", "29", "--budget", "2", "--seeds", "1"),
            *("--strategy", "spectral"),
        ),
        split_seeds=(1, 3, 4),
    ),
    "parkinsons": Study(
        (
            *("--task-column", "subject#", "--target", "motor_UPDRS:regression:metric=rmse"),
            *("--without", "total_UPDRS", "--shares", "0.55,0.2,0.25"),
            *("--hidden", "21", "--hidden", "21", "--weight-decay", "0.1", "--epochs", "15"),
            *("--max-group-size", "42", "--budget", "2", "--seeds", "1", "--strategy", "spectral"),
        ),
        split_seeds=(1,),
        n_recipes=8,
    ),
    "school": Study(
        (
            *("--task-column", "School", "--target", "ExamScore:regression:metric=rmse"),
            *(
                "--kind",
                "Ethnicity=category",
                "--kind",
                "Year=category",
                "--kind",
                "VR_BAND_Student=category",
            ),
            *("--kind", "School_Denomination=category", "--kind", "School_Gender=category"),
            *("--shares", "0.55,0.2,0.25"),
            *("--hidden", "21", "--hidden", "21", "--weight-decay", "0.3", "--epochs", "10"),
            *("--max-group-size", "139", "--budget", "2", "--seeds", "1"),
            *("--strategy", "adaptive:tolerance=0.002"),
        ),
        split_seeds=(1,),
        n_recipes=8,
    ),
    "qm9": Study(
        (
            *(f"--target={name}:regression" for name in QM9_TARGETS.values()),
            *("--shares", "0.55,0.2,0.25"),
            *("--hidden", "64", "--hidden", "64", "--epochs", "15", "--budget", "2", "--seeds", "1"),
        ),
        split_seeds=(1,),
        n_recipes=8,
        write=write_qm9,
    ),
    "bikes": Study(
        (
            *("--task-column", "hr", "--target", "bikers:regression:metric=rmse"),
            *("--kind", "season=category", "--kind", "weekday=category"),
            *("--shares", "0.55,0.2,0.25"),
            *("--hidden", "32", "--hidden", "32", "--epochs", "20", "--max-group-size", "24"),
            *("--budget", "2", "--seeds", "1", "--strategy", "spectral"),
        ),
        split_seeds=(1,),
        n_recipes=8,
        write=write_bikes,
    ),
    "census": Study(
        (
            *("--task-column", "occupation", "--target", "income:binary:metric=roc_auc"),
            *("--shares", "0.55,0.2,0.25"),
            *("--hidden", "21", "--hidden", "21", "--epochs", "15", "--max-group-size", "12"),
            *("--budget", "2", "--seeds", "1", "--strategy", "spectral"),
        ),
        split_seeds=(1,),
        n_recipes=8,
        write=write_census,
    ),
}


def main() -> None:
    """Run one study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", choices=sorted(STUDIES))
    parser.add_argument("--table", type=Path, help="the table of the study, where no package has it")
    parser.add_argument("--part", type=int, action="append", help="parts to run, from 1; all unless given")
    asked = parser.parse_args()
    study = STUDIES[asked.study]
    if (asked.table is None) == (study.write is None):
        parser.error("--table is needed" if study.write is None else "the table is made; leave --table out")
    with tempfile.TemporaryDirectory(prefix="case-study-") as folder:
        table = asked.table if study.write is None else study.write(Path(folder))
        for number in asked.part or range(1, len(study.split_seeds) + 1):
            run_part(asked.study, number, table)


def run_part(name: str, number: int, table: Path) -> None:
    """Run a part of a study, and write what came out."""
    study = STUDIES[name]
    options = [*study.options, "--split-seed", str(study.split_seeds[number - 1])]
    options += ["--tune", "each", "--recipes", str(study.n_recipes), "--confirm", "5"]
    print("$ grouping run --data", table.name, *options, flush=True)
    started = time.perf_counter()
    answer, metrics = answer_of(table, options)
    kept = {
        "command": " ".join(["grouping", "run", "--data", table.name, *options]),
        "seconds": round(time.perf_counter() - started),
        "load_average": os.getloadavg()[1],
        "recommendations": answer["recommendations"],
        "ledger": {key: value for key, value in answer["ledger"].items() if key != "items"},
        "recipes": answer["job"]["settled"]["recipes"],
        "metrics": metrics,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}-{number}.json").write_text(json.dumps(kept, indent=1) + "\n")
    (RESULTS / f"{name}.txt").write_text("\n".join(table_of(parts_of(name))) + "\n")
    print((RESULTS / f"{name}.txt").read_text(), flush=True)


def answer_of(table: Path, options: Sequence[str]) -> tuple[dict[str, Any], dict[str, float]]:
    """Search in a home of its own; return what was printed, and the metrics."""
    grouping = str(Path(sys.executable).with_name("grouping"))
    home = Path(tempfile.mkdtemp(prefix="case-study-"))
    try:
        command = [grouping, "run", "--data", str(table), *options, "--json", "--home", str(home)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer, metrics_of(home / "grouping.db", answer["job"]["id"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def metrics_of(database: Path, job_id: str) -> dict[str, float]:
    """Return the test metric of each contestant, mean over tasks and fresh seeds, at the first budget."""
    with closing(open_store(f"sqlite:///{database}")) as store:
        state = store.search_state(job_id)
        terms = SearchTerms.of_job(store.get_job(job_id).spec).among(state.networks)
    found = recommend(state.full, None, terms.budgets_snt, baselines=terms.baselines)
    tuning = tunings_of(terms, state, found)[0]
    best = {tuned.contestant: tuned.best for tuned in tuning.contestants}
    best |= dict.fromkeys(tuning.random, tuning.contestants[0].best)
    return {one.name: _metric(state, one, recipe) for one, recipe in best.items() if recipe is not None}


def _metric(state: SearchState, contestant: Contestant, recipe: int) -> float:
    variant = Variant(recipe, contestant.members)
    serving = {task: contestant.grouping.network_for(task).key for task in contestant.grouping.tasks}
    return mean(
        score.test_metric
        for trial in state.trials
        if trial.purpose is Purpose.TUNED and trial.variant == variant
        for score in trial.scores
        if serving[score.task] == trial.network.key and score.test_metric is not None
    )


def parts_of(study: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the parts that were run, with their numbers."""
    files = sorted(RESULTS.glob(f"{study}-*.json"))
    return [(file.stem.rpartition("-")[2], json.loads(file.read_text())) for file in files]


def table_of(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield the lines of the table: gains of the recommended networks in each part, and over the parts."""
    heads = [f"part {number}" for number, _ in parts]
    yield f"| question | compared with | {' | '.join(heads)} | mean over parts |"
    yield "|---|---|" + "---|" * (len(parts) + 1)
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for number, part in parts:
        for item in part["recommendations"]:
            for verdict in (item["verdict"], item["tuned"]):
                compared = [*verdict["comparisons"], *([verdict["random"]] if verdict["random"] else [])]
                for one in compared:
                    key = (f"{verdict['question']}, budget {item['budget_snt']:g}", one["baseline"])
                    found.setdefault(key, {})[number] = one
    for (question, name), by_part in found.items():
        cells = [_gain(by_part[number]) if number in by_part else "-" for number, _ in parts]
        overall = f"{100 * mean(one['gain'] for one in by_part.values()):+.1f} %"
        yield f"| {question} | {name} | {' | '.join(cells)} | {overall} |"
    yield ""
    for number, part in parts:
        spent = part["ledger"]["charged"]
        yield (
            f"Part {number}: {part['seconds']:,} s (load average {part['load_average']:.1f}), "
            f"{spent['trainings']:,} trainings, {part['ledger']['search']['trainings']:,} of them to search. "
            + "; ".join(_groups(item) for item in part["recommendations"])
            + ". Test metric, mean over tasks and fresh seeds, each its best: "
            + ", ".join(f"{name} {value:.3f}" for name, value in part["metrics"].items())
            + "."
        )
        yield ""


def _gain(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return f"{100 * one['gain']:+.1f} % ({100 * low:+.1f} to {100 * high:+.1f})"


def _groups(item: Mapping[str, Any]) -> str:
    networks = item["solution"]["grouping"]["networks"]
    served = [", ".join(network["serves"]) for network in networks]
    return f"Budget {item['budget_snt']:g} serves " + " / ".join(served)


if __name__ == "__main__":
    main()
