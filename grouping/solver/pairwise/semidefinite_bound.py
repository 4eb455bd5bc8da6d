"""Semidefinite bounds on what a group of given size saves under a pairwise estimate.

For duals v a group G that serves its tasks S and has helpers H = G - S, s tasks together, saves

    value = sum over i in S, j in G, j != i, of (v[i] - P[i, j]) / (s - 1) = <C, z z'>,

with z = (1, y, h), y[i] = 1 for the tasks served and h[i] = 1 for helpers. The matrix Z = z z' is positive
semidefinite, has no negative entry, its diagonal is its first column, ``Z[y_i, h_i] = 0``, and
``(-s, 1, ..., 1) Z = 0`` since s tasks are in. The greatest ``<C, Z>`` under these conditions (the doubly
nonnegative relaxation) is an upper bound, about 10 % above the best group where each task choosing its
partners by itself is 200 % above it.

It is approached by the alternating direction method with facial reduction (Oliveira, Wolkowicz and Xu, 2018):
``Z = V R V'`` with V a basis of the complement of ``(-s, 1, ..., 1)``, R semidefinite on the one side and the
conditions on entries on the other, with multipliers L. Any L whatsoever gives an identity for every group of
s tasks,

    value = constant + sum of unary[t] - sum of penalty[t, t'] - z' F z,

over the t, t' of y and h that are 1, with penalties >= 0 and a positive semidefinite form F. It bounds the
value of every group, also where only some tasks are decided (`grouping.solver.pairwise.semidefinite_search`),
and does not depend on how far the method has converged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.exact.instance import BoolArray

_STEP = 1.6
_MARGIN = 1e-10
FORBIDDEN = 1e6
"""Penalty of two tasks that must not be in one group."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """The identity above for the groups of one size; y and h alternate: y_0, h_0, y_1, h_1, ...

    Attributes:
        size: s.
        constant: value of the empty choice.
        unary: ``[2 N]``.
        penalties: ``[2 N, 2 N]``, symmetric, not negative; a pair counts in both places.
        form: ``[1 + 2 N, 1 + 2 N]``, positive semidefinite; the constant 1 first.
    """

    size: int
    constant: float
    unary: FloatArray
    penalties: FloatArray
    form: FloatArray

    @property
    def bound(self) -> float:
        """Upper bound on the saving of any group of this size."""
        best = np.sort(self.unary.reshape(-1, 2).max(axis=1))[::-1]
        return self.constant + float(best[: self.size].sum())


class SizeBound:
    """The relaxation for the groups of one size; goes on where it stopped, also after the duals changed.

    Args:
        size: tasks in a group, two or more.
        is_apart: ``[N, N]``: pairs that must not be in one group.
    """

    def __init__(self, size: int, is_apart: BoolArray) -> None:
        n = len(is_apart)
        self.size, self._n = size, n
        weights = np.ones(1 + 2 * n)
        weights[0] = -size
        weights /= np.linalg.norm(weights)
        mirror = weights - np.eye(1 + 2 * n)[0]
        mirror /= np.linalg.norm(mirror)
        self._weights = weights
        self._basis = (np.eye(1 + 2 * n) - 2.0 * np.outer(mirror, mirror))[:, 1:]  # a reflection's columns
        blocks = np.kron(is_apart | np.eye(n, dtype=np.bool_), np.ones((2, 2), dtype=np.bool_))
        self._is_zero = np.zeros((1 + 2 * n, 1 + 2 * n), dtype=np.bool_)
        self._is_zero[1:, 1:] = blocks
        inner = np.arange(1, 1 + 2 * n)
        self._is_zero[inner, inner] = False
        start = np.full(1 + 2 * n, size / (2.0 * n))
        start[0] = 1.0
        self._entries = self._projected(np.outer(start, start))
        self._multipliers = np.zeros_like(self._entries)
        self._gain = np.zeros_like(self._entries)
        self._best = self._multipliers
        self.bound = np.inf

    def set_arcs(self, arcs: FloatArray) -> None:
        """Take new ``v[i] - P[i, j]``, ``[N, N]``; the diagonal is not read."""
        shares = np.where(np.eye(self._n, dtype=np.bool_), 0.0, arcs) / (self.size - 1)
        gain = np.zeros_like(self._gain)
        gain[1::2, 1::2] = (shares + shares.T) / 2.0
        gain[1::2, 2::2] = shares / 2.0
        gain[2::2, 1::2] = shares.T / 2.0
        gain[self._is_zero] = 0.0
        self._gain = gain
        self._best = self._multipliers
        self.bound = self.certificate().bound

    def tighten(self, rounds: int) -> float:
        """Go on for so many rounds; return the best bound so far."""
        basis = self._basis
        weight = max(float(np.linalg.norm(self._gain)), 1e-6) / (1.0 + self.size)
        for _ in range(rounds):
            inside = basis.T @ (self._entries + self._multipliers / weight) @ basis
            values, vectors = np.linalg.eigh((inside + inside.T) / 2.0)
            positive = values > 0
            half = basis @ vectors[:, positive] * np.sqrt(values[positive])
            product = half @ half.T
            self._entries = self._projected(product + (self._gain - self._multipliers) / weight)
            self._multipliers = self._multipliers + _STEP * weight * (self._entries - product)
        previous, bound = self._best, self.bound
        self._best = self._multipliers
        self.bound = self.certificate().bound
        if bound < self.bound:
            self._best, self.bound = previous, bound
        return self.bound

    def _projected(self, entries: FloatArray) -> FloatArray:
        """Return the nearest matrix that meets the conditions on entries."""
        inner = np.arange(1, len(entries))
        shared = np.clip((entries[inner, inner] + entries[0, inner] + entries[inner, 0]) / 3.0, 0.0, 1.0)
        projected: FloatArray = np.maximum(entries, 0.0)
        projected[self._is_zero] = 0.0
        projected[inner, inner] = projected[0, inner] = projected[inner, 0] = shared
        projected[0, 0] = 1.0
        return projected

    def certificate(self) -> Certificate:
        """Return what the best multipliers prove.

        Off the diagonal they are raised to the gain, so that what remains of it is a penalty. Their greatest
        eigenvalue within the basis, times ``|z|^2 = 1 + s``, joins the constant; a semidefinite form is left.
        """
        multipliers, basis = self._best, self._basis
        multipliers = (multipliers + multipliers.T) / 2.0
        rest = self._gain - multipliers
        inner = np.arange(1, len(rest))
        raised = np.where(self._is_zero, multipliers, np.maximum(multipliers, self._gain))
        raised[0], raised[:, 0], raised[inner, inner] = (
            multipliers[0],
            multipliers[0],
            multipliers[inner, inner],
        )
        inside = basis.T @ raised @ basis
        inside = (inside + inside.T) / 2.0
        excess = max(0.0, float(np.linalg.eigvalsh(inside)[-1])) + _MARGIN
        form = basis @ (excess * np.eye(len(inside)) - inside) @ basis.T
        # Zero for every group of the size, and helps where only some tasks are decided.
        form += max(1.0, float(np.abs(form).max())) * np.outer(self._weights, self._weights)
        penalties = (raised - self._gain)[1:, 1:]
        penalties[self._is_zero[1:, 1:]] = FORBIDDEN
        np.fill_diagonal(penalties, 0.0)
        return Certificate(
            self.size,
            float(rest[0, 0]) + (1.0 + self.size) * excess,
            rest[inner, inner] + 2.0 * rest[0, inner],
            penalties,
            form,
        )
