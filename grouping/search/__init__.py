"""Grouping search: plans the next trainings from what is known, in a service or in your own process."""

from grouping.search.evidence import evidence_of
from grouping.search.loop import Loop, Plans, TrialRunner
from grouping.search.planning import Plan, Planner, networks_to_measure
from grouping.search.results import groups_not_told
from grouping.search.search import Search

__all__ = [
    "Loop",
    "Plan",
    "Planner",
    "Plans",
    "Search",
    "TrialRunner",
    "evidence_of",
    "groups_not_told",
    "networks_to_measure",
]
