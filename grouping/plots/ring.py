"""Ring of nodes: places of nodes and labels on a circle, and curved arrows between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]

LABEL_ROW = 17.0
"""Least distance between the baselines of two labels on one side."""
LABEL_DISTANCE = 17.0
COMMUNITY_GAP = 0.7
"""Gap between two communities, in distances between neighbours."""
_FIRST_ANGLE = -math.pi / 2
_STEPS = 120


@dataclass(frozen=True, slots=True)
class Label:
    """Position of the label of a node.

    Attributes:
        x: start of the text on the right, end of it on the left.
        y: middle of the text.
        is_right: whether it is on the right side of the ring.
        is_moved: whether it had to leave the node's height, to make room for another.
    """

    x: float
    y: float
    is_right: bool
    is_moved: bool


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle with nodes on it, in communities.

    Attributes:
        sizes: number of nodes of each community, in the order in which they stand, clockwise from the top.
        radius: radius of the circle.
        centre: centre of the circle.
    """

    sizes: tuple[int, ...]
    radius: float
    centre: Point

    @classmethod
    def of(cls, sizes: Sequence[int], *, label_width: float, top: float, least_width: float) -> Ring:
        """Build a ring with room for labels on both sides, below `top`, in a picture of some width."""
        n_nodes = sum(sizes)
        radius = max(170.0, 140.0 + 4.0 * n_nodes, LABEL_ROW * (n_nodes / 2 + 1) / 2)
        half = max(radius + LABEL_DISTANCE + label_width, least_width / 2)
        return cls(tuple(sizes), radius, (half, top + radius + LABEL_DISTANCE + 8))

    @property
    def _step(self) -> float:
        gaps = COMMUNITY_GAP * len(self.sizes) if len(self.sizes) > 1 else 0.0
        return 2 * math.pi / max(1.0, sum(self.sizes) + gaps)

    def angles(self) -> tuple[float, ...]:
        """Angle of each node, clockwise on the screen."""
        found: list[float] = []
        slot = 0.5 + (COMMUNITY_GAP / 2 if len(self.sizes) > 1 else 0.0)
        for size in self.sizes:
            found += [_FIRST_ANGLE + self._step * (slot + i) for i in range(size)]
            slot += size + COMMUNITY_GAP
        return tuple(found)

    def at(self, angle: float, radius: float | None = None) -> Point:
        """Return the point at an angle, on the circle unless a radius is given."""
        length = self.radius if radius is None else radius
        return (self.centre[0] + length * math.cos(angle), self.centre[1] + length * math.sin(angle))

    def labels(self) -> tuple[Label, ...]:
        """Place the labels beside the ring, none over another."""
        angles = self.angles()
        found: dict[int, Label] = {}
        reach = self.radius + LABEL_DISTANCE
        for is_right in (True, False):
            side = [n for n, angle in enumerate(angles) if (math.cos(angle) > -1e-9) is is_right]
            side.sort(key=lambda n: (math.sin(angles[n]), n))
            wanted = [self.centre[1] + reach * math.sin(angles[n]) for n in side]
            for n, want, y in zip(side, wanted, _apart(wanted, self.centre[1], reach), strict=True):
                offset = max(8.0, math.sqrt(max(0.0, reach**2 - (y - self.centre[1]) ** 2)))
                x = self.centre[0] + (offset if is_right else -offset)
                found[n] = Label(x, y, is_right, abs(y - want) > 6.0)
        return tuple(found[n] for n in range(len(angles)))


def _apart(wanted: Sequence[float], middle: float, reach: float) -> list[float]:
    """Return heights in the same order, close to those wanted, at least `LABEL_ROW` apart."""
    found = list(wanted)
    for n in range(1, len(found)):
        found[n] = max(found[n], found[n - 1] + LABEL_ROW)
    bottom = middle + max(reach, LABEL_ROW * (len(found) - 1) / 2)
    for n in range(len(found) - 1, -1, -1):
        found[n] = min(found[n], bottom)
        bottom = found[n] - LABEL_ROW
    return found


@dataclass(frozen=True, slots=True)
class Arrow:
    """A curved arrow from one node to another.

    Attributes:
        path: SVG path data of its shaft.
        head: SVG path data of its head; empty where it has none.
    """

    path: str
    head: str


def arrow(ring: Ring, start: Point, end: Point, *, node: float, width: float, has_head: bool = True) -> Arrow:
    """Draw an arrow that bends to the middle of the ring, and to its own side of the way back.

    Args:
        ring: the ring both nodes stand on.
        start: centre of the source.
        end: centre of the target.
        node: radius of a node, which the arrow keeps off.
        width: width of the shaft.
        has_head: whether the shaft leaves room for the head; else it goes on to the target.
    """
    across, down = end[0] - start[0], end[1] - start[1]
    distance = math.hypot(across, down) or 1.0
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    inwards = math.dist(middle, ring.centre)
    bend = min(0.5, 0.4 * distance / inwards) if inwards else 0.0  # neighbours: a bow, and no loop
    aside = 8.0 + 0.09 * distance
    control = (
        middle[0] * (1 - bend) + ring.centre[0] * bend - down / distance * aside,
        middle[1] * (1 - bend) + ring.centre[1] * bend + across / distance * aside,
    )

    def at(t: float) -> Point:
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        return (
            a * start[0] + b * control[0] + c * end[0],
            a * start[1] + b * control[1] + c * end[1],
        )

    def leaves(away: float) -> float:
        steps = (i / _STEPS for i in range(_STEPS + 1))
        return next((t for t in steps if math.dist(at(t), start) >= away), 0.0)

    def reaches(away: float) -> float:
        steps = (1 - i / _STEPS for i in range(_STEPS + 1))
        return next((t for t in steps if math.dist(at(t), end) >= away), 1.0)

    length, half = 6.0 + 1.6 * width, 2.8 + 0.85 * width
    first, base, tip = leaves(node + 1.0), reaches(node + 2.0 + length), reaches(node + 2.0)
    base = max(base, first)
    joint, point = at(base), at(tip)
    towards = math.dist(joint, point) or 1.0
    aside_x, aside_y = -(point[1] - joint[1]) / towards * half, (point[0] - joint[0]) / towards * half
    head = (
        f"M{point[0]:.1f} {point[1]:.1f}L{joint[0] + aside_x:.1f} {joint[1] + aside_y:.1f}"
        f"L{joint[0] - aside_x:.1f} {joint[1] - aside_y:.1f}z"
    )
    last = base if has_head else max(reaches(node + 1.0), first)
    return Arrow(_part(start, control, end, first, last), head if has_head else "")


def _part(start: Point, control: Point, end: Point, first: float, last: float) -> str:
    """Return the part of a quadratic Bezier curve between two parameters, by its polar form."""

    def blend(s: float, t: float) -> Point:
        a, b, c = (1 - s) * (1 - t), s * (1 - t) + t * (1 - s), s * t
        return (
            a * start[0] + b * control[0] + c * end[0],
            a * start[1] + b * control[1] + c * end[1],
        )

    (x0, y0), (x1, y1), (x2, y2) = blend(first, first), blend(first, last), blend(last, last)
    return f"M{x0:.1f} {y0:.1f}Q{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}"
