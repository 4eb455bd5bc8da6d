"""Extras of the distribution: which one installs a missing module.

The base of ``mtl-grouping`` reads and solves score tables and talks to a service. Extras install what
serving and training need. The modules of each extra are read from the metadata of the distribution, so that
``pyproject.toml`` alone declares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from grouping.errors import MissingExtraError

DISTRIBUTION = "mtl-grouping"
SMALL_TORCH = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
"""Command that installs the small build of PyTorch, without CUDA."""

_MAX_NAMED = 3
_RENAMED = {"scikit_learn": "sklearn", "pillow": "PIL"}
"""Modules that are not called as the distribution that brings them."""


@cache
def modules_of(extra: str) -> tuple[str, ...]:
    """Return the sorted modules that an extra installs, with those of the extras it consists of."""
    found: set[str] = set()
    for name, parts in _requirements(extra):
        if name == DISTRIBUTION:
            found.update(*map(modules_of, parts))
        else:
            module = name.lower().replace("-", "_")
            found.add(_RENAMED.get(module, module))
    return tuple(sorted(found))


def missing_of(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed, without importing any."""
    return [module for module in modules_of(extra) if not _is_installed(module)]


def require(extra: str) -> None:
    """Check that the modules of an extra are installed, without importing them.

    Raises:
        MissingExtraError: if one is missing, with the line that installs the extra.
    """
    if missing := missing_of(extra):
        raise _error(extra, missing)


def error_for(error: ModuleNotFoundError) -> MissingExtraError | None:
    """Return the error for a module that could not be imported; None if no extra installs it."""
    module = (error.name or "").partition(".")[0]
    for extra in ("api", "training", "postgres", "images", "onnx"):
        if module in modules_of(extra):
            return _error(extra, [module])
    return None


def _error(extra: str, missing: list[str]) -> MissingExtraError:
    named = ", ".join(missing[:_MAX_NAMED])
    if len(missing) > _MAX_NAMED:
        named += f" and {len(missing) - _MAX_NAMED} more"
    verb = "is" if len(missing) == 1 else "are"
    line = f'pip install "{DISTRIBUTION}[{extra}]"'
    if "torch" in missing:
        line = f"{SMALL_TORCH} (small, without CUDA), then {line}"
    return MissingExtraError(
        f"{named} {verb} not installed. The extra {extra!r} brings what is missing: {line}",
        extra=extra,
        modules=missing,
    )


def _requirements(extra: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the distributions that an extra requires, each with its own required extras."""
    try:
        lines = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:  # a source tree that is not installed
        return
    for line in lines:
        if re.search(rf"""\bextra == ["']{re.escape(extra)}["']""", line):
            asked = re.match(r"([\w.-]+)(?:\[([^]]*)\])?", line)
            if asked is not None:
                yield asked[1], tuple(part.strip() for part in (asked[2] or "").split(",") if part.strip())


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False
