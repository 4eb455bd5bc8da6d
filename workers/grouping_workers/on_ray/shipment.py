"""Code of a job on its way to the nodes of a cluster: packed once, so that every worker gets the same.

Ray itself ships local folders only to all workers of a driver, and a job's process has several jobs, one
after another. The folders are therefore packed and stored here, with the functions with which Ray does it,
and actors are given the addresses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray._private.runtime_env.packaging import (
    create_package,
    get_uri_for_package,
    package_exists,
    pin_runtime_env_uri,
    upload_package_to_gcs,
)
from ray.exceptions import RuntimeEnvSetupError
from ray.runtime_env import RuntimeEnv as RayRuntimeEnv

from grouping.errors import GroupingError, TrainingError
from grouping.scratch import scratch_folder
from grouping.trainers.runtime_env import RuntimeEnv, is_address


class Shipment:
    """What one job ships to its workers.

    Args:
        wanted: what is asked for, with absolute paths.

    Attributes:
        copied: folder of which workers work in a copy; None if they work elsewhere.

    Raises:
        TrainingError: if it cannot be packed, or Ray does not take it.
    """

    def __init__(self, wanted: RuntimeEnv) -> None:
        self._wanted = wanted
        self.copied = Path(wanted.working_dir) if wanted.working_dir else None
        self._packages: dict[str, bytes] = {}
        try:
            self._options = self._packed()
            RayRuntimeEnv(**self._options)
            self.for_actor()
        except GroupingError:
            raise
        except Exception as error:
            raise TrainingError(f"The runtime_env cannot be used: {type(error).__name__}: {error}") from error

    def for_actor(self) -> dict[str, Any]:
        """Return Ray's `runtime_env` for an actor that is to be started now; the cluster has the packages."""
        for address, content in self._packages.items():
            pin_runtime_env_uri(address)  # Ray drops what no actor uses, some minutes later
            if not package_exists(address):
                upload_package_to_gcs(address, content)
        return dict(self._options)

    def _packed(self) -> dict[str, Any]:
        wanted = self._wanted
        options: dict[str, Any] = {}
        if wanted.working_dir:
            options["working_dir"] = self._package(Path(wanted.working_dir), has_folder=False)
        if wanted.py_modules:
            options["py_modules"] = [
                module if is_address(module) else self._package(Path(module), has_folder=True)
                for module in wanted.py_modules
            ]
        if wanted.pip:
            options["pip"] = list(wanted.pip)
        if wanted.env_vars:
            options["env_vars"] = dict(wanted.env_vars)
        if wanted.image_uri:
            options["image_uri"] = wanted.image_uri
        return options

    def _package(self, path: Path, *, has_folder: bool) -> str:
        """Pack a folder or file, and return the address under which the cluster will have it."""
        with scratch_folder("grouping-package-") as folder:
            file = path
            if path.suffix != ".whl":
                file = folder / "package.zip"
                create_package(
                    str(path),
                    file,
                    include_gitignore=True,
                    include_parent_dir=has_folder and path.is_dir(),
                    excludes=list(self._wanted.excludes),
                )
            address: str = get_uri_for_package(file)
            self._packages[address] = file.read_bytes()
        return address


def failed_setup(error: RuntimeEnvSetupError) -> TrainingError:
    """Return the error of a job whose workers cannot be given their `runtime_env`."""
    return TrainingError(f"Ray could not set up the runtime_env of the workers: {str(error).strip()}")
