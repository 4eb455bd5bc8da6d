"""The search for groups that save more than a threshold, size by size with semidefinite bounds.

Takes over from `grouping.solver.pairwise.group_search.GroupSearch.above` where that has too many partial
groups. For each size `grouping.solver.pairwise.semidefinite_bound` gives a bound, and where that is above the
threshold an identity

    value = constant + sum of unary[t] - sum of penalty[t, t'] - z' F z.

Tasks are then decided one after another: out, served, or in to help others only. With some decided, the rest
of the sum is at most that of the best unary terms less their penalties with the decided. The form is at least
its minimum over all real values of the undecided: a Schur complement, the same for all partial groups of a
level.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import BoolArray
from grouping.solver.pairwise.group_search import FoundGroups, GroupSearch
from grouping.solver.pairwise.semidefinite_bound import Certificate, SizeBound

_LADDER = (0.5, 0.35, 0.25, 0.17, 0.11, 0.06)
_ROUNDS = (25, 25, 50, 50, 100)
"""Of all sizes in turn, so that each has a bound early."""
_CHUNK = 8_000
_RIDGE = 1e-6
_MARGIN = 1e-8


class SemidefiniteSearch:
    """Searches the groups of one pairwise estimate, one size after another.

    Args:
        groups: the estimate; pairs that must not be in one group and the greatest size are taken from it.
    """

    def __init__(self, groups: GroupSearch) -> None:
        self._groups = groups
        self._bounds = [SizeBound(size, groups.is_apart) for size in range(2, groups.max_size + 1)]

    def above(
        self, threshold: float, duals: FloatArray, *, max_found: int, deadline: float, is_ladder: bool
    ) -> FoundGroups:
        """Find the groups that save more than a threshold.

        Args:
            threshold: threshold for `GroupSearch.values`.
            duals: duals of the tasks, ``[N]``.
            max_found: give up the rest after this many.
            deadline: a time of `time.monotonic`.
            is_ladder: go down to the threshold in steps and stop at the first groups found: the bound is
                sharp where time runs out, and new duals come soon where groups were overlooked.
        """
        proven = self._relax(threshold, duals, deadline)
        top = float(proven.max(initial=threshold))
        steps = [threshold + share * (top - threshold) for share in _LADDER] if is_ladder else []
        found = np.zeros((0, self._groups.n_tasks), dtype=np.bool_)
        for level in [*steps, threshold]:
            for k in np.argsort(-proven, kind="stable").tolist():
                if proven[k] <= level:
                    continue
                members, is_complete = _search(self._bounds[k].certificate(), level, max_found, deadline)
                found = np.concatenate([found, members])
                if not is_complete:
                    return self._answer(found, duals, threshold, float(proven.max()), False)
                best = self._groups.values(members, duals).max(initial=level)
                proven[k] = min(proven[k], float(best) + _MARGIN)
                if len(found) > max_found:
                    return self._answer(found, duals, threshold, float(proven.max()), False)
            if is_ladder and len(found):
                return self._answer(found, duals, threshold, float(proven.max()), level == threshold)
        return self._answer(found, duals, threshold, float(proven.max(initial=threshold)), True)

    def _relax(self, threshold: float, duals: FloatArray, deadline: float) -> FloatArray:
        """Bound what the groups of each size can save, ``[sizes]``; refine bounds above the threshold."""
        least = self._groups.least_losses()
        arcs = duals[:, None] - self._groups.finite_pairs
        proven = np.full(len(self._bounds), -np.inf)
        for k, bound in enumerate(self._bounds):
            saved = np.sort(np.maximum(0.0, duals - least[:, k]))[::-1]
            proven[k] = float(saved[: bound.size].sum())
        moving = set(np.flatnonzero(proven > threshold).tolist())
        for k in moving:
            self._bounds[k].set_arcs(arcs)
            proven[k] = min(proven[k], self._bounds[k].bound)
        for rounds in _ROUNDS:
            for k in sorted(moving, key=lambda k: -proven[k]):
                if time.monotonic() > deadline:
                    return proven
                before, proven[k] = proven[k], min(proven[k], self._bounds[k].tighten(rounds))
                if proven[k] <= threshold or before - proven[k] < 1e-3 * (proven[k] - threshold):
                    moving.discard(k)
        return proven

    def _answer(
        self, found: BoolArray, duals: FloatArray, threshold: float, bound: float, is_complete: bool
    ) -> FoundGroups:
        members = np.unique(found, axis=0)
        members = members[self._groups.is_allowed(members)]
        values = self._groups.values(members, duals)
        best = np.argsort(-values, kind="stable")
        best = best[values[best] > threshold]
        top = float(values[best[0]]) if best.size else threshold
        return FoundGroups(members[best], values[best], top if is_complete else max(top, bound), is_complete)


@dataclass(slots=True)
class _Partial:
    """Partial groups of one level.

    Attributes:
        level: tasks decided.
        roles: ``[K, 2 N]``: served, helping, task by task.
        value: ``[K]``: constant and unary terms less penalties of the decided.
        rest: ``[K, 2 N]``: unary terms less penalties with the decided.
    """

    level: int
    roles: BoolArray
    value: FloatArray
    rest: FloatArray


def _search(
    certificate: Certificate, threshold: float, max_found: int, deadline: float
) -> tuple[BoolArray, bool]:
    """Find groups of the size that may save more than the threshold, and whether these are all."""
    n = len(certificate.unary) // 2
    order = np.argsort(-np.minimum(certificate.penalties, 1.0).sum(axis=1).reshape(-1, 2).sum(axis=1))
    both = (2 * order[:, None] + np.arange(2)).ravel()
    unary = certificate.unary[both]
    penalties = 2.0 * certificate.penalties[np.ix_(both, both)]
    with_one = np.concatenate([[0], 1 + both])
    forms = _eliminated(certificate.form[np.ix_(with_one, with_one)])
    found = [np.zeros((0, n), dtype=np.bool_)]
    n_found = 0
    root = _Partial(0, np.zeros((1, 2 * n), np.bool_), np.array([certificate.constant]), unary[None].copy())
    stack = [root]
    is_complete = True
    while stack:
        if time.monotonic() > deadline or n_found > max_found:
            is_complete = False
            break
        part = stack.pop()
        if part.level == n:
            members = np.zeros((len(part.roles), n), dtype=np.bool_)
            members[:, order] = part.roles.reshape(-1, n, 2).any(axis=2)
            found.append(np.unique(members, axis=0))
            n_found += len(found[-1])
            continue
        stack += _pieces(_decided(part, certificate.size, penalties, forms, threshold - _MARGIN))
    return np.concatenate(found), is_complete


def _decided(
    part: _Partial, size: int, penalties: FloatArray, forms: list[FloatArray], threshold: float
) -> _Partial:
    """Decide one task more in each of three ways; drop partial groups below the threshold."""
    t, n = part.level, part.roles.shape[1] // 2
    roles = np.tile(part.roles, (3, 1))
    k = len(part.roles)
    roles[k : 2 * k, 2 * t] = True
    roles[2 * k :, 2 * t + 1] = True
    value = np.concatenate(
        [part.value, part.value + part.rest[:, 2 * t], part.value + part.rest[:, 2 * t + 1]]
    )
    rest = np.concatenate([part.rest, part.rest - penalties[2 * t], part.rest - penalties[2 * t + 1]])
    left = n - t - 1
    missing = size - roles.sum(axis=1)
    kept = np.flatnonzero((missing >= 0) & (missing <= left))
    best = rest[kept, 2 * (t + 1) :].reshape(len(kept), left, 2).max(axis=2)
    sums = np.zeros((len(kept), left + 1))
    np.cumsum(np.sort(best, axis=1)[:, ::-1], axis=1, out=sums[:, 1:])
    bound = value[kept] + sums[np.arange(len(kept)), missing[kept]] + _RIDGE * missing[kept]
    above = bound > threshold
    kept, bound = kept[above], bound[above]
    ones = np.concatenate([np.ones((len(kept), 1)), roles[kept, : 2 * (t + 1)]], axis=1)
    bound -= ((ones @ forms[t + 1]) * ones).sum(axis=1)
    kept = kept[bound > threshold]
    return _Partial(t + 1, roles[kept], value[kept], rest[kept])


def _pieces(part: _Partial) -> list[_Partial]:
    return [
        _Partial(
            part.level,
            part.roles[at : at + _CHUNK],
            part.value[at : at + _CHUNK],
            part.rest[at : at + _CHUNK],
        )
        for at in range(0, len(part.roles), _CHUNK)
    ]


def _eliminated(form: FloatArray) -> list[FloatArray]:
    """For each t, minimise the form over real values of the tasks from t on, as a form of those before.

    A ridge keeps it well conditioned; the undecided of a group have as many ones as are missing, by which the
    bound is raised in return.
    """
    n = len(form) // 2
    forms = [form]
    for t in range(n - 1, -1, -1):
        now = forms[-1]
        head = 1 + 2 * t
        corner = now[head:, head:] + _RIDGE * np.eye(2)
        side = now[head:, :head]
        less = now[:head, :head] - side.T @ np.linalg.solve(corner, side)
        forms.append((less + less.T) / 2.0)
    return forms[::-1]
