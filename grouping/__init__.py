"""Search which tasks should share a network in multi-task learning, within an inference budget.

The public names stand here; each is imported from its module when it is first used, so ``import
grouping`` itself imports nothing large. Where an extra is needed that is not installed, a name raises
`MissingExtraError` with the line that installs it. Everything else is private and may change without
notice, but for what the documentation of plug-ins names.

    >>> import grouping
    >>> table = grouping.read_table(
    ...     b"network,size,cost,depth,edges\\n"
    ...     b"depth@0.5,0.5,0.5,0.174,\\n"
    ...     b"edges@0.5,0.5,0.5,,0.0151\\n"
    ...     b"depth+edges,1.0,1.0,0.175,0.0136\\n"
    ... ).table
    >>> solution = grouping.solve(table, budget_snt=1.0)
    >>> print(solution.grouping.describe())
    1 SNT: serves depth, edges
    >>> solution.status.value
    'optimal'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grouping.bundle import Bundle as Bundle
    from grouping.client import Assignment as Assignment
    from grouping.client import Client as Client
    from grouping.client import RemoteJob as RemoteJob
    from grouping.client import RemoteTable as RemoteTable
    from grouping.client import ServiceError as ServiceError
    from grouping.data_sets.features import FittedInputs as FittedInputs
    from grouping.domain.affinities.matrix import AffinityMatrix as AffinityMatrix
    from grouping.domain.constraints import Constraints as Constraints
    from grouping.domain.groupings import Grouping as Grouping
    from grouping.domain.groupings import Solution as Solution
    from grouping.domain.groupings import SolutionStatus as SolutionStatus
    from grouping.domain.networks import Candidates as Candidates
    from grouping.domain.networks import Network as Network
    from grouping.domain.objectives import Objective as Objective
    from grouping.domain.tables.finished_results import FinishedResults as FinishedResults
    from grouping.domain.tables.formats import TableFormat as TableFormat
    from grouping.domain.tables.loss_table import LossTable as LossTable
    from grouping.domain.tables.predicted_losses import PredictedLosses as PredictedLosses
    from grouping.domain.tables.score_table import Score as Score
    from grouping.domain.tables.score_table import ScoreTable as ScoreTable
    from grouping.domain.tasks import Task as Task
    from grouping.domain.trainings.datasets import Dataset as Dataset
    from grouping.domain.trainings.recipes import Method as Method
    from grouping.domain.trainings.recipes import Recipe as Recipe
    from grouping.domain.trainings.trials import TaskScore as TaskScore
    from grouping.domain.trainings.trials import TrialOutcome as TrialOutcome
    from grouping.domain.trainings.trials import TrialRequest as TrialRequest
    from grouping.domain.trainings.trials import TrialState as TrialState
    from grouping.errors import BudgetTooSmallError as BudgetTooSmallError
    from grouping.errors import BundleError as BundleError
    from grouping.errors import DataSetError as DataSetError
    from grouping.errors import GroupingError as GroupingError
    from grouping.errors import InvalidInputError as InvalidInputError
    from grouping.errors import MissingExtraError as MissingExtraError
    from grouping.errors import ResultsRefusedError as ResultsRefusedError
    from grouping.errors import RetryTrainingError as RetryTrainingError
    from grouping.errors import SolverError as SolverError
    from grouping.errors import StoreUnavailableError as StoreUnavailableError
    from grouping.errors import TableFormatError as TableFormatError
    from grouping.errors import TooManyCandidatesError as TooManyCandidatesError
    from grouping.errors import TrainingError as TrainingError
    from grouping.errors import UnknownNameError as UnknownNameError
    from grouping.formats import from_frame as from_frame
    from grouping.formats import read_table as read_table
    from grouping.formats import results_of_table as results_of_table
    from grouping.formats import to_frame as to_frame
    from grouping.formats import write_table as write_table
    from grouping.plots import affinity_graph_svg as affinity_graph_svg
    from grouping.plots import curve_svg as curve_svg
    from grouping.plots import grouping_svg as grouping_svg
    from grouping.problems.problem import Problem as Problem
    from grouping.problems.registry import get_problem as get_problem
    from grouping.problems.registry import list_problems as list_problems
    from grouping.search import Search as Search
    from grouping.solver import Confidence as Confidence
    from grouping.solver import Curve as Curve
    from grouping.solver import Explanation as Explanation
    from grouping.solver import assess_confidence as assess_confidence
    from grouping.solver import best_groupings as best_groupings
    from grouping.solver import explain as explain
    from grouping.solver import solve as solve
    from grouping.solver import solve_curve
    from grouping.strategies import Strategy as Strategy
    from grouping.strategies import get_strategy as get_strategy
    from grouping.strategies import list_strategies as list_strategies
    from grouping.trainers import Stack as Stack
    from grouping.trainers import Trainer as Trainer
    from grouping.trainers import TrainerJob as TrainerJob
    from grouping.trainers import TrainingWorker as TrainingWorker
    from grouping.trainers import WorkerSetup as WorkerSetup
    from grouping.training.data import TrainingData as TrainingData
    from grouping.training.engines import train_networks as train_networks
    from grouping.training.loop import train_network as train_network

    curve = solve_curve

_HOMES = {
    "grouping.bundle": "Bundle",
    "grouping.client": "Assignment Client RemoteJob RemoteTable ServiceError",
    "grouping.data_sets.features": "FittedInputs",
    "grouping.domain.affinities.matrix": "AffinityMatrix",
    "grouping.domain.constraints": "Constraints",
    "grouping.domain.trainings.datasets": "Dataset",
    "grouping.domain.tables.finished_results": "FinishedResults",
    "grouping.domain.groupings": "Grouping Solution SolutionStatus",
    "grouping.domain.tables.loss_table": "LossTable",
    "grouping.domain.networks": "Candidates Network",
    "grouping.domain.objectives": "Objective",
    "grouping.domain.tables.predicted_losses": "PredictedLosses",
    "grouping.domain.trainings.recipes": "Method Recipe",
    "grouping.domain.tables.score_table": "Score ScoreTable",
    "grouping.domain.tables.formats": "TableFormat",
    "grouping.domain.tasks": "Task",
    "grouping.domain.trainings.trials": "TaskScore TrialOutcome TrialRequest TrialState",
    "grouping.errors": "BudgetTooSmallError BundleError DataSetError GroupingError InvalidInputError "
    "MissingExtraError ResultsRefusedError RetryTrainingError SolverError "
    "StoreUnavailableError TableFormatError TooManyCandidatesError TrainingError UnknownNameError",
    "grouping.formats": "from_frame read_table results_of_table to_frame write_table",
    "grouping.plots": "affinity_graph_svg curve_svg grouping_svg",
    "grouping.problems.problem": "Problem",
    "grouping.problems.registry": "get_problem list_problems",
    "grouping.search": "Search",
    "grouping.solver": "Confidence Curve Explanation assess_confidence best_groupings curve explain solve",
    "grouping.strategies": "Strategy get_strategy list_strategies",
    "grouping.trainers": "Stack Trainer TrainerJob TrainingWorker WorkerSetup",
    "grouping.training.data": "TrainingData",
    "grouping.training.engines": "train_networks",
    "grouping.training.loop": "train_network",
}
"""Public names by the module that each is imported from; the imports above say the same to type checkers."""

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
_CALLED_THERE = {"curve": "solve_curve"}
_MODULES = ("bundle",)
"""Modules whose names are public too, such as ``grouping.bundle.load``."""

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    """Import a public name and return it.

    Raises:
        AttributeError: if there is no such name.
        MissingExtraError: if a package that it needs is not installed.
    """
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(_HOME_OF[name]), _CALLED_THERE.get(name, name))
    except ModuleNotFoundError as error:
        from grouping.extras import error_for

        raise error_for(error) or error from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
