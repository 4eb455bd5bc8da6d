"""Rendering of HTML: one Jinja environment that escapes everything, and formats of numbers and times."""

from __future__ import annotations

import functools
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response, StreamingResponse

from grouping.domain.groupings import ChosenNetwork, Grouping
from grouping.domain.percentages import percent
from grouping.errors import GroupingError, OverloadedError, SolverError
from grouping.wire.event_texts import event_details, event_title, is_bad_news
from grouping.work import current_work
from grouping_api.root_path import AddressesBelowRoot, root_path
from grouping_api.version import program_version
from grouping_api.web.task_labels import short_labels, short_network_name
from grouping_api.web.wording import role

T = TypeVar("T")
TEMPLATE_FOLDER = Path(__file__).parent / "templates"
STATIC_FOLDER = Path(__file__).parent / "static"
MINUS = "\u2212"
NO_VALUE = "–"
WAIT = Markup("<!-- more comes -->\n")
"""Place in a page before which everything is sent to the reader."""
MANY_TASKS = 9
"""Number of tasks above which the cells of a matrix are small; their sentences tell the networks then."""
MANY_BUDGETS = 9
"""Number of budgets above which a slider runs over them, beside links to some."""
MOST_BOXES_ALONE = 4
"""Most networks of one task that have a box each in the picture of a grouping."""
MOST_NUMBERS = 30
"""Number of tasks above which the cells of a matrix are colours alone, whatever the width of the window."""

MOST_LISTED = 100
"""Networks or tasks of a grouping that a page lists; the files that it offers hold all."""
MANY_LISTED = 300
"""Number of tasks above which a page lists `FEW_LISTED` of each kind: with long names it stays short."""
FEW_LISTED = 20
LISTED_CHARACTERS = 8_000
"""Characters of the names of all networks together that a page lists of each kind."""
FEWEST_LISTED = 5
MOST_BOXES = 60
"""Networks that have a box in the picture of a grouping, the largest first."""
BOXED_BYTES = 80_000
"""Bytes of all boxes together: of networks of many tasks, and of long names, there are fewer."""
ALONE_BYTES = 40_000
"""Bytes of the one box of all tasks that are alone."""
_BYTES_OF_A_TASK = 150
"""Bytes of a task in a box beside its name, which stands there twice."""


def most_listed_of(grouping: Grouping) -> int:
    """Return how many networks or tasks the page of a grouping lists."""
    most = MOST_LISTED if len(grouping.tasks) <= MANY_LISTED else FEW_LISTED
    names = sum(len(task) + 1 for network in grouping.networks for task in network.group)
    return min(most, max(FEWEST_LISTED, LISTED_CHARACTERS * len(grouping.networks) // max(1, names)))


def boxed(networks: Sequence[ChosenNetwork], most_bytes: int) -> Sequence[ChosenNetwork]:
    """Return the first networks whose boxes together are not too long, one at least."""
    left = most_bytes
    for place, network in enumerate(networks):
        tasks = (*network.serves, *network.helpers)
        left -= sum(_BYTES_OF_A_TASK + 2 * len(task) for task in tasks)
        if left < 0:
            return networks[: max(1, place)]
    return networks


class Pages:
    """Renderer of the templates."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATE_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[AddressesBelowRoot],
        )
        environment.filters |= {
            "loss": loss,
            "snt": snt,
            "exact": exact,
            "figure": figure,
            "duration": duration,
            "ago": ago,
            "moment": moment,
            "count": count,
            "percent": percent,
            "event_title": event_title,
            "event_details": event_details,
            "role": role,
            "with_code": with_code,
        }
        environment.tests["bad_news"] = is_bad_news
        environment.globals |= {
            "version": program_version(),
            "static": _static_address,
            "root_path": root_path,
            "many_tasks": MANY_TASKS,
            "marks": {"good": "✓", "poor": "✗", "same": "="},
            "many_budgets": MANY_BUDGETS,
            "most_numbers": MOST_NUMBERS,
            "most_listed": MOST_LISTED,
            "most_listed_of": most_listed_of,
            "boxed": boxed,
            "boxed_bytes": BOXED_BYTES,
            "alone_bytes": ALONE_BYTES,
            "most_boxes": MOST_BOXES,
            "short_labels": short_labels,
            "short_network_name": short_network_name,
            "largest_first": largest_first,
            "nearest": nearest,
            "some_budgets": some_budgets,
            "tasks_alone": tasks_alone,
            "wait": WAIT,
        }
        self._environment = environment

    def stream(self, request: Request, template: str, /, status: int = 200, **context: Any) -> Response:
        """Render a page while it is sent: what stands above a ``{{ wait }}`` is sent before what follows it.

        The template computes what takes long below, by functions or iterators among its data, such as
        `Later`; the status is sent first, so nothing below may have a say in it.
        """
        pieces = self._environment.get_template(template).generate(request=request, **context)
        parts = sent(pieces)
        first = next(parts)  # what is wrong with it is an error like any other
        if not first.rstrip().endswith(WAIT.rstrip()):
            return HTMLResponse(first, status)
        return StreamingResponse(itertools.chain((first,), parts), status, media_type="text/html")

    def render(self, request: Request, template: str, /, status: int = 200, **context: Any) -> HTMLResponse:
        """Render a page from a template and its data."""
        content = self._environment.get_template(template).render(request=request, **context)
        return HTMLResponse(content, status)


class Later(Generic[T]):
    """Part of a page that is computed when it is first read; what is wrong with it is told in its place.

    Args:
        compute: computes it.
    """

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute

    @functools.cached_property
    def _found(self) -> T | GroupingError:
        try:
            current_work().check()
            return self._compute()
        except GroupingError as error:
            return error

    def get(self) -> T:
        """Return what was computed.

        Raises:
            GroupingError: if that failed.
        """
        if isinstance(self._found, GroupingError):
            raise self._found
        return self._found

    @property
    def value(self) -> T | None:
        """What was computed; None where that failed."""
        return None if isinstance(self._found, GroupingError) else self._found

    @property
    def fault(self) -> str:
        """Why there is none, in sentences; empty where there is one."""
        return str(self._found) if isinstance(self._found, GroupingError) else ""

    @property
    def may_pass(self) -> bool:
        """Whether it may be there when it is asked for again."""
        return isinstance(self._found, OverloadedError | SolverError)


def sent(pieces: Iterator[str]) -> Iterator[str]:
    """Join pieces of a page up to each place at which it is going to wait."""
    kept: list[str] = []
    for piece in pieces:
        kept.append(piece)
        if WAIT in piece:
            yield "".join(kept)
            kept.clear()
    yield "".join(kept)


def _streamer(request: Request) -> Callable[..., Response]:
    return functools.partial(request.app.state.pages.stream, request)


def _renderer(request: Request) -> Callable[..., HTMLResponse]:
    return functools.partial(request.app.state.pages.render, request)


Render = Annotated[Callable[..., HTMLResponse], Depends(_renderer)]
"""Function that renders the page of a request from a template's name, a status and the data shown."""


Stream = Annotated[Callable[..., Response], Depends(_streamer)]
"""Function that does the same while the page is sent; see `Pages.stream`."""


def _static_address(name: str) -> str:
    """Return the address of a static file; it changes with the content, so that browsers load the new one."""
    digest = hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"{root_path()}/static/{name}?v={digest}"


def loss(value: float | None) -> str:
    """Format a loss with four decimals."""
    return NO_VALUE if value is None else f"{value:.4f}".replace("-", MINUS)


def snt(value: float | None) -> str:
    """Format a cost or budget with up to three decimals, without needless zeros."""
    return NO_VALUE if value is None else f"{round(value, 3):g}"


def exact(value: float) -> str:
    """Format a budget for an address, from which it must be read back as the same number."""
    return f"{value:.12g}"


def largest_first(networks: Sequence[ChosenNetwork]) -> list[ChosenNetwork]:
    """Order networks by the number of tasks they serve, the largest first."""
    return sorted(networks, key=lambda network: -len(network.serves))


def tasks_alone(grouping: Grouping) -> list[ChosenNetwork]:
    """Return the networks of one task, to be shown in one box; none where few are."""
    alone = [network for network in grouping.chosen if len(network.group) == 1]
    return alone if len(alone) > MOST_BOXES_ALONE else []


def nearest(budgets: Sequence[float], budget: float | None) -> int:
    """Return the place of the budget that is nearest to one; the middle one of them without it."""
    if budget is None:
        return len(budgets) // 2
    return min(range(len(budgets)), key=lambda place: abs(budgets[place] - budget))


def some_budgets(budgets: Sequence[float], budget: float) -> list[float]:
    """Return all budgets, or of many the first, those about one, and the last."""
    if len(budgets) <= MANY_BUDGETS:
        return list(budgets)
    at = nearest(budgets, budget)
    return sorted({budgets[0], *budgets[max(0, at - 1) : at + 2], budgets[-1]})


def figure(value: float | None) -> str:
    """Format a value of a metric with four significant digits."""
    return NO_VALUE if value is None else f"{value:.4g}".replace("-", MINUS)


def with_code(text: str) -> Markup:
    """Show what stands between backticks as code."""
    parts = text.split("`")
    shown = [
        escape(part) if n % 2 == 0 else Markup("<code>{}</code>").format(part) for n, part in enumerate(parts)
    ]
    return Markup("").join(shown)


def count(value: int) -> str:
    """Format a whole number with separated thousands."""
    return f"{value:,}"


def duration(seconds: float | None) -> str:
    """Format a time span in its two largest units."""
    if seconds is None:
        return NO_VALUE
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def moment(seconds: float) -> str:
    """Format a time, in seconds since 1970, UTC, for a ``datetime`` attribute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(seconds: float | None) -> str | Markup:
    """Format a time, in seconds since 1970, relative to now, with the absolute time as its title."""
    if seconds is None:
        return NO_VALUE
    exact = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment(seconds), exact, _relative(time.time() - seconds)
    )


def _relative(passed_s: float) -> str:
    if passed_s < 5:
        return "just now"
    if passed_s < 60:
        return f"{int(passed_s)} s ago"
    if passed_s < 3600:
        return f"{int(passed_s // 60)} min ago"
    if passed_s < 86400:
        return f"{int(passed_s // 3600)} h ago"
    days = int(passed_s // 86400)
    return "yesterday" if days == 1 else f"{days} days ago"
