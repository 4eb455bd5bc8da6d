"""Surroundings of a Ray cluster of one's own: a folder that nobody else reads, a token, the loopback.

They are prepared without Ray, which reads most of it when it is imported, and are those of every process that
is started meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from grouping.errors import InvalidInputError
from grouping.scratch import scratch_folder
from grouping_workers.settings import OBJECT_STORE_BYTES

SHARED_MEMORY = Path("/dev/shm")  # nosec B108 # a place, not a file
LONGEST_SOCKET = 107
"""Characters of the path of a UNIX socket on Linux; 103 elsewhere, where paths of folders are short."""
RAYS_SHARE = len("/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store")
SESSIONS = "r"
"""Folder of Ray's sessions within that of the cluster; short, since it is part of the path of sockets."""
_TOKEN = "token"


@contextmanager
def private_surroundings(home: Path | None) -> Iterator[Path]:
    """Prepare what a cluster of this process needs, and yield its folder, which is deleted at the end.

    Folders of clusters whose process was killed are deleted too. Set in the environment, and restored:
    ``RAY_AUTH_MODE`` (always "token"), ``RAY_AUTH_TOKEN_PATH``, and what keeps Ray's ports on loopback.

    Args:
        home: folder in which the cluster may keep its files; a temporary one where that is None or its path
            is too long for sockets.

    Raises:
        InvalidInputError: if ``RAY_TMPDIR`` is too long, or no folder can be written to.
    """
    root, prefix = _place(home)
    stack = ExitStack()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = stack.enter_context(scratch_folder(prefix, root))
    except OSError as error:
        raise InvalidInputError(
            f"Ray cannot keep its files in {root}: {error.strerror}. Name a folder in RAY_TMPDIR."
        ) from error
    with stack:
        token = folder / _TOKEN
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        (folder / SESSIONS).mkdir()
        told = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            # Ray then keeps to loopback as it does on macOS, where a firewall would ask otherwise.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_TOKEN": None,
            "RAY_ADDRESS": None,
        }
        with _environment(told):
            yield folder


def surprises() -> list[str]:
    """Say in sentences what of the surroundings differs from what a cluster of one's own expects.

    Raises:
        InvalidInputError: if no cluster could be started here.
    """
    _place(None)
    told = []
    if address := os.environ.get("RAY_ADDRESS"):
        told.append(
            f"RAY_ADDRESS={address} is not used: the service starts a Ray cluster of its own. "
            "--ray-address joins another one."
        )
    if (mode := os.environ.get("RAY_AUTH_MODE", "token")) != "token":
        told.append(f"RAY_AUTH_MODE={mode} is not used: the service's own Ray cluster insists on its token.")
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(SHARED_MEMORY).free
        if free < OBJECT_STORE_BYTES:
            told.append(
                f"{SHARED_MEMORY} has {free / 2**20:.0f} MiB free of the {OBJECT_STORE_BYTES / 2**20:.0f} "
                "that Ray wants: processes share data in files, which is slower (Docker: --shm-size=1g)."
            )
    return told


def _place(home: Path | None) -> tuple[Path, str]:
    """Choose the folder of folders of clusters, and what their names begin with."""
    in_temporary = "grouping-ray-"
    if named := os.environ.get("RAY_TMPDIR"):
        room = LONGEST_SOCKET - len(_sockets(Path(), in_temporary))
        if len(str(Path(named).absolute())) > room:
            raise InvalidInputError(
                f"RAY_TMPDIR={named} is too long: Ray's sockets are below it, and their paths leave it "
                f"{room} characters. Name a shorter folder, or unset it."
            )
        return Path(named).absolute(), in_temporary
    places = [] if home is None else [(home, "ray-")]
    places += [(Path(tempfile.gettempdir()), in_temporary), (Path("/tmp"), in_temporary)]  # nosec B108 # a place, not a file
    return next((root, prefix) for root, prefix in places if len(_sockets(root, prefix)) <= LONGEST_SOCKET)


def _sockets(root: Path, prefix: str) -> str:
    return f"{root}/{prefix}12345678/{SESSIONS}{'x' * RAYS_SHARE}"


@contextmanager
def _environment(told: dict[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in told}
    try:
        _set(told)
        yield
    finally:
        _set(before)


def _set(told: dict[str, str | None]) -> None:
    for name, value in told.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
