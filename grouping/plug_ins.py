"""Plug-ins: objects by name that other distributions add to the built-in ones.

A plug-in is an entry point of an installed distribution; each kind of object has its own entry point group.
A plug-in that cannot be used is reported in the log and listed with the reason: it never takes the service
down, and never replaces what is built in or found before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar

from grouping.errors import InvalidInputError, UnknownNameError

_logger = logging.getLogger(__name__)


class Named(Protocol):
    """An object that can be found by name, or a class that has a name."""

    @property
    def name(self) -> str:
        """Name of the object, unique within its kind."""


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A plug-in that is installed and cannot be used.

    Attributes:
        name: name of its entry point.
        distribution: distribution that installed it, with its version; None where unknown.
        reason: reason why it cannot be used, in words for the person who installed it.
    """

    name: str
    distribution: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue(Generic[T]):
    """All objects of one kind in this installation.

    Attributes:
        found: built-in objects first, then plug-ins by the name of their entry point; each name once.
        unavailable: plug-ins that cannot be used.
        origins: where each that is not built in comes from, by its name: a distribution with its version, or
            a file.
    """

    found: tuple[T, ...]
    unavailable: tuple[Unavailable, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, *, kind: str, pointer: str = "") -> T:
        """Return the object of that name.

        Args:
            name: name to look up.
            kind: kind of the object for people, such as ``problem``.
            pointer: JSON pointer to the field that holds the name.

        Raises:
            UnknownNameError: if there is none.
            InvalidInputError: if a plug-in of that name is installed but cannot be used.
        """
        for item in self.found:
            if item.name == name:
                return item
        for broken in self.unavailable:
            if broken.name == name:
                raise InvalidInputError(
                    f"The {kind} {name!r} is installed but cannot be used. {broken.reason}", pointer=pointer
                )
        raise UnknownNameError(kind, name, [item.name for item in self.found], pointer=pointer)


def discover(entry_point_group: str, built_in: Sequence[T], load: Callable[[EntryPoint], T]) -> Catalogue[T]:
    """Find the objects of one kind. Every plug-in is imported, so callers keep the answer.

    Args:
        entry_point_group: entry point group of these plug-ins, such as ``mtl_grouping.problems``.
        built_in: built-in objects.
        load: returns the object of an entry point, or raises an error if it cannot be used.
    """
    found = {item.name: item for item in built_in}
    unavailable = []
    origins = {}
    for point in sorted(entry_points(group=entry_point_group), key=lambda p: (p.name, p.value)):
        source = f"{point.dist.name} {point.dist.version}" if point.dist is not None else None
        try:
            item = load(point)
            if item.name in found:
                raise InvalidInputError(f"The name {item.name!r} is taken already.")
        except Exception as error:
            # Whatever a stranger's module raises at import concerns that plug-in alone.
            reason = f"{type(error).__name__}: {error}"
            _logger.warning(
                "The plug-in %r of %s, in %s, is unavailable: %s",
                point.name,
                source,
                entry_point_group,
                reason,
                exc_info=True,
            )
            unavailable.append(Unavailable(point.name, source, reason))
        else:
            found[item.name] = item
            origins[item.name] = source or point.value
    return Catalogue(tuple(found.values()), tuple(unavailable), origins)
