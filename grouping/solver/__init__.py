"""Solver: chooses networks from a score table within an inference budget; it never trains."""

from grouping.solver.budget_solver import BudgetSolver, solve_budgets
from grouping.solver.confidence.assessment import assess_confidence
from grouping.solver.confidence.confidence import Alternative, Confidence, TrialValue
from grouping.solver.curve import (
    BaselinePoint,
    Curve,
    CurvePoint,
    CurveSolver,
    RandomLosses,
    curve_around,
    default_budgets,
    solve_curve,
)
from grouping.solver.exact.feasibility import cheapest_cover
from grouping.solver.exact.programme import DEFAULT_SOLVER, solver_names
from grouping.solver.exact.table_solver import Ranked, TableSolver, best_groupings, solve
from grouping.solver.explanation.comparison import (
    comparison_sentences,
    is_same_cost,
    plain_number,
    relative_change,
)
from grouping.solver.explanation.explain import explain
from grouping.solver.explanation.explanation import Explanation, TaskExplanation
from grouping.solver.pairwise.estimates import PairwiseEstimate
from grouping.solver.pairwise.unlisted_groups import solve_pairwise
from grouping.solver.recommendation import Recommendation, networks_to_confirm, recommend
from grouping.solver.tuned_verdicts import TuningOfOne, tunings_of

__all__ = [
    "DEFAULT_SOLVER",
    "Alternative",
    "BaselinePoint",
    "BudgetSolver",
    "Confidence",
    "Curve",
    "CurvePoint",
    "CurveSolver",
    "Explanation",
    "PairwiseEstimate",
    "RandomLosses",
    "Ranked",
    "Recommendation",
    "TableSolver",
    "TaskExplanation",
    "TrialValue",
    "TuningOfOne",
    "assess_confidence",
    "best_groupings",
    "cheapest_cover",
    "comparison_sentences",
    "curve_around",
    "default_budgets",
    "explain",
    "is_same_cost",
    "networks_to_confirm",
    "plain_number",
    "recommend",
    "relative_change",
    "solve",
    "solve_budgets",
    "solve_curve",
    "solve_pairwise",
    "solver_names",
    "tunings_of",
]
