"""Which of the four tasks should share a network? Searched in this process, without a service.

Prints a recommendation for two inference budgets, and writes pictures into the present folder.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import grouping

BUDGETS_SNT = (1, 2)


def search_groupings() -> grouping.Search:
    """Train what the strategy asks for, then its choice and baselines of equal cost with fresh seeds."""
    problem = grouping.get_problem("pumps")
    data = grouping.TrainingData.from_dataset(problem.load(), problem.tasks)
    candidates = grouping.Candidates.of([task.name for task in problem.tasks], single_sizes=(0.5,))
    search = grouping.Search(
        grouping.get_strategy("adaptive"),
        problem.tasks,
        candidates,
        budgets_snt=BUDGETS_SNT,
        seeds=(0, 1),
        confirmation_seeds=range(100, 105),
    )
    while requests := search.ask():
        outcomes = grouping.train_networks(data, requests, problem.recipe)
        for request, outcome in zip(requests, outcomes, strict=True):
            losses = {score.task: score.validation_loss for score in outcome.scores}
            test = {score.task: score.test_loss for score in outcome.scores}
            search.tell(request, losses or None, test)  # None: the training diverged
        print(f"{len(requests)} trainings. {search.note}")
    return search


def main() -> None:
    """Search, recommend and explain."""
    search = search_groupings()
    table = search.scores()
    for recommendation in search.recommendations():
        solution, verdict = recommendation.solution, recommendation.verdict
        assert solution.grouping is not None
        print(f"\nBudget {solution.budget_snt:g} SNT: validation loss {solution.loss:.3f}, {solution.status}")
        print(solution.grouping.describe())
        print("no verdict" if verdict is None else verdict.sentence())
        print(*islice(grouping.explain(table, solution).sentences(), 3), sep="\n")
        picture = grouping.grouping_svg(solution.grouping)
        Path(f"pumps-{solution.budget_snt:g}-snt.svg").write_text(picture, encoding="utf-8")
    Path("pumps-table.json").write_bytes(grouping.write_table(table, grouping.TableFormat.JSON))


if __name__ == "__main__":
    main()
