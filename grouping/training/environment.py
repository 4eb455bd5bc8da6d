"""Environment of a process, as far as scores depend on it: versions of libraries, and its arithmetic."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import cache

from grouping.training.arithmetic import current_arithmetic


def library_versions() -> dict[str, str]:
    """Return versions of libraries that a score may depend on."""
    packages = ("mtl-grouping", "torch", "numpy", "scikit-learn", "ray")
    return {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in packages}


@cache
def versions_here() -> dict[str, str]:
    """Return all versions and the arithmetic of this process, which imports PyTorch."""
    return library_versions() | current_arithmetic().as_versions()
