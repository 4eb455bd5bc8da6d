"""Errors that the project raises on purpose.

Each class carries a stable ``code`` for programs, the data of the failure as attributes, and a message
that says what to do. The HTTP status of each code is decided in one table, in ``api/grouping_api/errors.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


class GroupingError(Exception):
    """Base class of all errors that the caller can understand and act on."""

    code = "grouping_error"


class InvalidInputError(GroupingError):
    """A value given by the user breaks a rule.

    Attributes:
        pointer: JSON pointer to the faulty field, such as ``/strategy/name``; empty for the whole input.
    """

    code = "invalid_input"

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class UnknownNameError(InvalidInputError):
    """A registry has no object of that name.

    Attributes:
        kind: kind of the object that was looked up, such as ``problem``.
        name: the requested name.
        known: the names that exist.
    """

    code = "unknown_name"

    def __init__(self, kind: str, name: str, known: Sequence[str], *, pointer: str = "") -> None:
        listed = ", ".join(sorted(known)) or "none"
        super().__init__(f"There is no {kind} named {name!r}. Known: {listed}.", pointer=pointer)
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))


class ForbiddenError(GroupingError):
    """Whoever asks may not do this, though others may."""

    code = "forbidden"


class AmbiguousIdError(InvalidInputError):
    """Several objects have an identifier that begins so.

    Attributes:
        candidates: name of each by its identifier, the newest first; not all of them if there are many.
    """

    code = "ambiguous_id"

    def __init__(self, kind: str, beginning: str, candidates: Mapping[str, str], n_found: int) -> None:
        listed = "; ".join(f"{found} {name}".rstrip() for found, name in candidates.items())
        more = f"; and {n_found - len(candidates):,} more" if n_found > len(candidates) else ""
        super().__init__(
            f"{n_found:,} {kind}s have an identifier that begins with {beginning}: {listed}{more}. "
            "Write more of it."
        )
        self.candidates = dict(candidates)


class TableFormatError(InvalidInputError):
    """A file does not hold a score table in the format it was read as.

    Attributes:
        line: line of the file, counted from 1, where known.
    """

    code = "bad_score_table"

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


class DataSetError(InvalidInputError):
    """A file does not hold a table that can be stored as a data set, or a stored one is damaged."""

    code = "bad_data_set"


class BundleError(InvalidInputError):
    """A bundle or kept networks are damaged, made by another version, or not there."""

    code = "bad_bundle"


class MarkedTextError(InvalidInputError):
    """A text is not in the format that it should be, or holds what cannot be read.

    Attributes:
        line: line of the text, counted from 1, where known.
    """

    code = "bad_text"

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class SearchFileError(InvalidInputError):
    """A file that describes a search has faults.

    Attributes:
        faults: each with the line of the file, None where unknown, and what is wrong there.
    """

    code = "bad_search_file"

    def __init__(self, faults: Sequence[tuple[int | None, str]], name: str = "") -> None:
        said = " ".join(message if line is None else f"line {line}: {message}" for line, message in faults)
        has_line = bool(faults) and faults[0][0] is not None
        super().__init__(f"{name}{', ' if has_line else ': '}{said}" if name else said)
        self.faults = tuple(faults)


class ResultsRefusedError(InvalidInputError):
    """Finished results do not fit the search that they were told to; none of them was taken.

    Attributes:
        faults: what does not fit, and why, each with the network and its seed.
    """

    code = "results_refused"

    def __init__(self, faults: Sequence[str], *, limit: int, pointer: str = "") -> None:
        more = f" And {len(faults) - limit:,} more." if len(faults) > limit else ""
        super().__init__(" ".join(faults[:limit]) + more, pointer=pointer)
        self.faults = tuple(faults)


class TooManyCandidatesError(InvalidInputError):
    """The search would train more networks than is allowed.

    Attributes:
        n_networks: number of candidate networks of the search.
        limit: the most candidate networks.
    """

    code = "too_many_candidates"

    def __init__(self, message: str, *, n_networks: int, limit: int, pointer: str = "") -> None:
        super().__init__(message, pointer=pointer)
        self.n_networks = n_networks
        self.limit = limit


class BudgetTooSmallError(InvalidInputError):
    """No set of candidate networks covers every task within the inference budget.

    Attributes:
        budget_snt: the requested budget.
        cheapest_cover_snt: cost of the cheapest networks that cover every task.
    """

    code = "budget_too_small"

    def __init__(self, budget_snt: float, cheapest_cover_snt: float, *, pointer: str = "") -> None:
        super().__init__(
            f"An inference budget of {budget_snt:.12g} SNT covers no complete set of tasks: the cheapest "
            f"networks that do cost {cheapest_cover_snt:.12g} SNT. Raise the budget to at least that.",
            pointer=pointer,
        )
        self.budget_snt = budget_snt
        self.cheapest_cover_snt = cheapest_cover_snt


class MissingExtraError(GroupingError, ImportError):
    """A part of the program is not installed; the message has the line that installs it.

    Attributes:
        extra: extra of the distribution that installs it, such as ``training``.
        modules: the modules that are missing.
    """

    code = "missing_extra"

    def __init__(self, message: str, *, extra: str, modules: Sequence[str]) -> None:
        super().__init__(message)
        self.extra = extra
        self.modules = tuple(modules)


class SolverError(GroupingError):
    """The solver is not available or stopped without a usable answer."""

    code = "solver_failed"


class DeadlineExceededError(SolverError):
    """What was asked for was not computed in the time that one request may take.

    Attributes:
        limit_s: that time.
    """

    code = "deadline_exceeded"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"This was not solved within {limit_s:g} s, the most that one request may take here. Ask for "
            "less at once, such as fewer budgets or alternatives, or raise GROUPING_SOLVE_TIME_LIMIT_S."
        )
        self.limit_s = limit_s


class OverloadedError(GroupingError):
    """The service has as much to do as it takes on at once; nothing was done. Ask again later.

    Attributes:
        retry_after_s: seconds after which it is worth asking again.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotFoundError(GroupingError):
    """No stored object has that identifier.

    Attributes:
        kind: kind of the object that was looked up, such as ``job``.
        identifier: the requested identifier.
    """

    code = "not_found"

    def __init__(self, kind: str, identifier: str, hint: str = "") -> None:
        super().__init__(f"There is no {kind} {identifier!r}{hint and f'; {hint}'}.")
        self.kind = kind
        self.identifier = identifier


class StateConflictError(GroupingError):
    """The state of the job does not allow the action."""

    code = "state_conflict"


class NotMeasuredError(GroupingError):
    """The requested affinities were not measured for this score table; says what would measure them."""

    code = "not_measured"


class StaleLeaseError(GroupingError):
    """The writer no longer holds the lease of the job; nothing was written."""

    code = "stale_lease"


class LeaseLostError(StateConflictError):
    """The lease of a trial has ended: nothing was written, and nobody waits for the training any more."""

    code = "lease_lost"


class IdempotencyConflictError(GroupingError):
    """An idempotency key came again with a different request."""

    code = "idempotency_conflict"


class StoreUnavailableError(GroupingError):
    """The database cannot be reached or refuses to write; try again.

    Attributes:
        told: what callers of a service are told, who may not know its hosts and accounts.
    """

    code = "store_unavailable"

    def __init__(self, message: str, *, is_for_all: bool = False) -> None:
        """Make the error.

        Args:
            message: what is wrong and what to do.
            is_for_all: whether the message names nothing that callers of a service may not know.
        """
        super().__init__(message)
        self.told = message if is_for_all else "The database does not answer. Try again in a few seconds."


class StoreUnusableError(StoreUnavailableError):
    """The database cannot be used as it is, however often one tries; says what to do."""

    code = "store_unusable"


class SchemaOutdatedError(GroupingError):
    """The database has another schema version than this program."""

    code = "schema_outdated"


class TrainingError(GroupingError):
    """A training could not be carried out; one that diverged is a result, not an error."""

    code = "training_failed"


class RetryTrainingError(TrainingError):
    """A training asks to be tried again; its start counts as one of the allowed attempts."""

    code = "retry_training"


class WorkerLostError(GroupingError):
    """A process that trains, or that works on a job, died."""

    code = "worker_lost"


def pointer_part(name: str) -> str:
    """Escape a name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


@contextmanager
def pointing_below(prefix: str, *, always: bool = False) -> Iterator[None]:
    """Point at the field of the whole request, where the domain knows only a part of it."""
    try:
        yield
    except InvalidInputError as error:
        if error.pointer or always:
            error.pointer = prefix + error.pointer
        raise
