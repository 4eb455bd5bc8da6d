"""Counts the steps of a process, and makes trouble at one of them. Python imports it at the start.

It is put on the path of the processes under test, and knows nothing of them but the names of what it wraps. A
step is a commit that wrote something, the renaming of a file, a message between dispatcher and process of a
job, a request of a worker, or a call of Ray's actors. Each step is passed twice, ``before`` and ``after``.

In the folder that ``FAULTS_FOLDER`` names, ``passed/LABEL`` gets a byte whenever a step of this label is
passed, so its length counts over all processes. ``armed`` has a line ``ACTION LABEL NUMBER`` for each
trouble: the process that passes the step of this number does as it says, and leaves its process id in
``fired/LABEL``.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

FOLDER = os.environ.get("FAULTS_FOLDER", "")
IDENTIFIER = re.compile(r"[0-9a-f]{12,}")


def passing(label: str, when: str) -> None:
    """Count a step that is passed, and make trouble if it is the one that is armed."""
    step = f"{when}:{label}"
    try:
        counter = os.open(f"{FOLDER}/passed/{step}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:  # nothing is counted now
        return
    try:
        os.write(counter, b".")
        number = os.lseek(counter, 0, os.SEEK_CUR)
    finally:
        os.close(counter)
    try:
        lines = Path(FOLDER, "armed").read_text(encoding="ascii").splitlines()
    except OSError:  # nothing is armed
        return
    for line in lines:
        action, armed, wanted = line.split()
        if armed == step and int(wanted) == number:
            fire(action, step)


def fire(action: str, step: str) -> None:
    """Kill or stop this process, or fill the disk of the database; once, whatever passes the step again."""
    try:
        fired = os.open(f"{FOLDER}/fired/{step}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    os.write(fired, str(os.getpid()).encode())
    os.close(fired)
    if action == "fill":
        fill(os.environ["FAULTS_DISK"])
    else:
        os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action])


def fill(disk: str) -> None:
    """Write until nothing fits any more."""
    ballast = os.open(f"{disk}/ballast", os.O_WRONLY | os.O_CREAT, 0o666)
    size = 65536
    while size:
        try:
            os.write(ballast, bytes(size))
        except OSError:
            size //= 2
    os.close(ballast)


def around(call: Callable[..., Any], label: Callable[..., str | None]) -> Callable[..., Any]:
    """Wrap a function so that its calls are steps; those without a label are none."""

    def wrapped(*arguments: Any, **named: Any) -> Any:
        name = label(*arguments, **named)
        if name is None:
            return call(*arguments, **named)
        passing(name, "before")
        result = call(*arguments, **named)
        passing(name, "after")
        return result

    return wrapped


# --- commits

_changes: dict[int, int] = {}


def _commit(_dialect: object, connection: Any) -> str | None:
    """The function of the store that commits, if it wrote anything."""
    driver = getattr(connection, "dbapi_connection", connection)
    if hasattr(driver, "total_changes"):
        if driver.total_changes == _changes.get(id(driver), 0):
            return None
        _changes[id(driver)] = driver.total_changes
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if "/grouping/store/" in code.co_filename and not code.co_filename.endswith("/database.py"):
            return f"commit_{code.co_name}"
        frame = frame.f_back
    return None


def _wrap_sqlalchemy(module: ModuleType) -> None:
    dialect: Any = module.DefaultDialect
    dialect.do_commit = around(dialect.do_commit, _commit)


# --- messages, requests, actors

_MESSAGES = "grouping_workers.dispatch.messages"


def _wrap_pipes(module: ModuleType) -> None:
    pipe: Any = module.Connection
    receive = pipe.recv

    def label(_pipe: object, message: object) -> str | None:
        return f"send_{type(message).__name__}" if type(message).__module__ == _MESSAGES else None

    def received(self: object) -> Any:
        message = receive(self)
        if type(message).__module__ == _MESSAGES:
            passing(f"receive_{type(message).__name__}", "after")
        return message

    pipe.send = around(pipe.send, label)
    pipe.recv = received


def _wrap_httpx(module: ModuleType) -> None:
    client: Any = module.Client

    def label(_client: object, request: Any, **_named: Any) -> str:
        return f"request_{request.method}{IDENTIFIER.sub('ID', request.url.path).replace('/', '_')}"

    client.send = around(client.send, label)


def _wrap_ray(module: ModuleType) -> None:
    method: Any = module.ActorMethod

    def label(self: Any, *_arguments: Any, **_named: Any) -> str | None:
        name = str(self._method_name)
        return None if name.startswith("__") else f"call_{name}"

    method._remote = around(method._remote, label)


_WRAPPERS: dict[str, Callable[[ModuleType], None]] = {
    "sqlalchemy.engine.default": _wrap_sqlalchemy,
    "multiprocessing.connection": _wrap_pipes,
    "httpx._client": _wrap_httpx,
    "ray.actor": _wrap_ray,
}


class _Finder(importlib.abc.MetaPathFinder):
    """Has a module wrapped as soon as it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _WRAPPERS:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is None or spec.loader is None:
            return None
        load: Any = spec.loader.exec_module

        def execute(module: ModuleType) -> None:
            load(module)
            _WRAPPERS[name](module)

        spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec


def _renamed(_source: Any, target: Any, **_named: Any) -> str | None:
    return f"rename_{Path(os.fspath(target)).suffix or 'file'}" if not isinstance(target, bytes) else None


if FOLDER:
    sys.meta_path.insert(0, _Finder())
    os.replace = around(os.replace, _renamed)
    os.rename = around(os.rename, _renamed)
