"""Cache of results that are computed once per revision of a score table."""

from __future__ import annotations

import functools
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from grouping.domain.tables.score_table import ScoreTable
from grouping.store import TableInfo
from grouping.work import GivenUpError

KEPT = 64
"""Maximum number of results in the cache."""
KEPT_BYTES = 256 * 2**20
"""Maximum bytes of the score tables in the cache; other results are small and not counted."""

T = TypeVar("T")
P = ParamSpec("P")


class Kept:
    """Thread-safe cache of results; a caller that asks for a result under computation waits for it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        self._pending: dict[Hashable, Future[object]] = {}
        self._lock = threading.Lock()

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result for a key from the cache, or compute and keep it. Errors are not kept."""
        mine = Future[object]()
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return cast(T, self._kept[key])
                pending = self._pending.setdefault(key, mine)
            if pending is mine:
                break
            with suppress(GivenUpError):  # nobody waits for it there any more; this caller does
                return cast(T, pending.result())
        try:
            value = compute()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._kept[key] = value
            while len(self._kept) > KEPT or self._n_bytes() > KEPT_BYTES:
                self._kept.popitem(last=False)
        mine.set_result(value)
        return value

    def _n_bytes(self) -> int:
        tables = {id(value): value for value in self._kept.values() if isinstance(value, ScoreTable)}
        return sum(table.n_bytes for table in tables.values())


def once_per_revision(
    method: Callable[Concatenate[Any, TableInfo, P], T],
) -> Callable[Concatenate[Any, TableInfo, P], T]:
    """Keep the results of a method by the revision of the score table and the other arguments.

    The object of the method has a `Kept` cache as ``kept``. Each argument is hashable, a list of hashable
    items, or has a `key` that is equal for equal results.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def once(self: Any, info: TableInfo, /, *args: P.args, **kwargs: P.kwargs) -> T:
        given = signature.bind(self, info, *args, **kwargs)
        given.apply_defaults()
        asked = tuple(_key(value) for value in given.args[2:])
        key = (method.__name__, info.id, info.revision, asked)
        kept: Kept = self.kept
        return kept.once(key, lambda: method(self, info, *args, **kwargs))

    return once


def _key(value: Any) -> Hashable:
    return tuple(value) if isinstance(value, list) else cast(Hashable, getattr(value, "key", value))
