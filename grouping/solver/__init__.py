"""Choosing networks from a score table. Reads tables only: nothing here ever trains."""

from grouping.solver.curve import BaselinePoint, Curve, CurvePoint, RandomLosses, default_budgets, solve_curve
from grouping.solver.exact import Ranked, TableSolver, best_groupings, solve
from grouping.solver.feasibility import cheapest_cover
from grouping.solver.programme import DEFAULT_SOLVER, solver_names
from grouping.solver.recommendation import Recommendation, networks_to_confirm, recommend

__all__ = [
    "DEFAULT_SOLVER",
    "BaselinePoint",
    "Curve",
    "CurvePoint",
    "RandomLosses",
    "Ranked",
    "Recommendation",
    "TableSolver",
    "best_groupings",
    "cheapest_cover",
    "default_budgets",
    "networks_to_confirm",
    "recommend",
    "solve",
    "solve_curve",
    "solver_names",
]
