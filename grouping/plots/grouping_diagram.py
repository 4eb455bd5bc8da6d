"""A grouping as a picture: tasks on the left, networks on the right, lines from network to task."""

from __future__ import annotations

from grouping.domain.groupings import Grouping
from grouping.plots.svg import BLUE, MUTED, document, element, escaped, shortened, text

WIDTH = 760.0
ROW, TOP = 62.0, 44.0
TASK_ROW = 34.0
TASKS_X, LINES_START, LINES_END, BARS_X = 196.0, 212.0, 424.0, 432.0
BARS_WIDTH = 236.0
MOST_TASK_CHARACTERS, MOST_NETWORK_CHARACTERS = 24, 42


def grouping_svg(grouping: Grouping, *, unit: str = "SNT", name: str = "grouping") -> str:
    """Draw a grouping, the tasks of each network together.

    A bar's width is the inference cost of its network. A thick line means that the network serves the task;
    a thin dashed one that the task is only trained there, to help the others, and served elsewhere.

    Args:
        grouping: the grouping to draw.
        unit: unit of the costs.
        name: prefix of the identifiers inside; unique within a page.
    """
    height_of_tasks = TASK_ROW * len(grouping.tasks)
    height_of_networks = ROW * len(grouping.networks)
    body = max(height_of_tasks, height_of_networks)
    networks, tasks = _orders(grouping)
    network_y = dict(zip(networks, _spread(len(networks), ROW, body), strict=True))
    task_y = dict(zip(tasks, _spread(len(tasks), TASK_ROW, body), strict=True))
    parts = [
        text("task", TASKS_X, 22, text_anchor="end", fill=MUTED, class_="plot-tick"),
        text("network, its width is its inference cost", BARS_X, 22, fill=MUTED, class_="plot-tick"),
    ]
    serving: list[str] = []
    helping: list[str] = []
    for t, task in enumerate(grouping.tasks):
        for n, network in enumerate(grouping.networks):
            if task in network.group:
                is_served = grouping.serving[t] == n
                (serving if is_served else helping).append(_line(task_y[t], network_y[n], is_served))
    parts += helping + serving
    parts += [_task(task, task_y[t]) for t, task in enumerate(grouping.tasks)]
    scale = BARS_WIDTH / max(network.cost_snt for network in grouping.networks)
    parts += [_network(grouping, n, network_y[n], scale, unit) for n in range(len(grouping.networks))]
    parts.append(_legend(TOP + body + 24, bool(helping)))
    return document(
        *parts,
        width=WIDTH,
        height=TOP + body + 44,
        title="Which network serves which task",
        description=grouping.describe().replace("\n", "; ") + ".",
        name=name,
    )


def _orders(grouping: Grouping) -> tuple[list[int], list[int]]:
    """Order networks and tasks from the top: the tasks of a network together, so that no solid lines cross.

    Networks follow the first task that they serve; those that serve none come last.
    """
    first = [
        next((t for t, m in enumerate(grouping.serving) if m == n), len(grouping.tasks))
        for n in range(len(grouping.networks))
    ]
    networks = sorted(range(len(first)), key=lambda n: (first[n], n))
    tasks = sorted(range(len(grouping.tasks)), key=lambda t: (first[grouping.serving[t]], t))
    return networks, tasks


def _spread(count: int, row: float, body: float) -> list[float]:
    first = TOP + (body - row * count) / 2 + row / 2
    return [first + row * i for i in range(count)]


def _line(from_y: float, to_y: float, is_served: bool) -> str:
    middle = (LINES_START + LINES_END) / 2
    return element(
        "path",
        d=f"M{LINES_START:g} {from_y:.2f}C{middle:g} {from_y:.2f} {middle:g} {to_y:.2f} "
        f"{LINES_END:g} {to_y:.2f}",
        fill="none",
        stroke=BLUE if is_served else MUTED,
        stroke_width=3.0 if is_served else 1.25,
        stroke_dasharray=None if is_served else "4 4",
        stroke_linecap="round" if is_served else None,
        class_="plot-serves" if is_served else "plot-helps",
    )


def _task(task: str, y: float) -> str:
    label = shortened(task, MOST_TASK_CHARACTERS)
    full = element("title", escaped(task)) if label != task else ""
    return element(
        "g",
        full,
        text(label, TASKS_X, y + 4.5, text_anchor="end", class_="plot-name"),
        element("circle", cx=LINES_START - 6, cy=y, r=4, class_="plot-node"),
    )


def _network(grouping: Grouping, n: int, y: float, scale: float, unit: str) -> str:
    network = grouping.networks[n]
    full_name = network.name(grouping.tasks)
    label = shortened(full_name, MOST_NETWORK_CHARACTERS)
    width = max(4.0, network.cost_snt * scale)
    return element(
        "g",
        element("title", escaped(full_name)) if label != full_name else "",
        text(label, BARS_X, y - 13, class_="plot-name"),
        element("rect", x=BARS_X, y=y - 7, width=width, height=14, rx=3, fill=BLUE, class_="plot-bar"),
        text(
            f"{network.cost_snt:.3g} {shortened(unit, 14)}",
            BARS_X + width + 8,
            y + 4.5,
            fill=MUTED,
            class_="plot-tick",
        ),
    )


def _legend(y: float, has_helpers: bool) -> str:
    parts = [
        element(
            "line",
            x1=TASKS_X - 150,
            x2=TASKS_X - 118,
            y1=y,
            y2=y,
            stroke=BLUE,
            stroke_width=3.0,
            class_="plot-serves",
        ),
        text("serves the task", TASKS_X - 108, y + 4.5),
    ]
    if has_helpers:
        parts += [
            element(
                "line",
                x1=TASKS_X + 30,
                x2=TASKS_X + 62,
                y1=y,
                y2=y,
                stroke=MUTED,
                stroke_width=1.25,
                stroke_dasharray="4 4",
                class_="plot-helps",
            ),
            text("only trained on it, to help; served elsewhere", TASKS_X + 72, y + 4.5),
        ]
    return element("g", *parts, class_="plot-legend")
