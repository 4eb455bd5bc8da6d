"""The script that starts a dispatcher beside its node of a cluster: what it ends when one of them ends.

Programs of the same names stand in the place of Ray and the service.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.patience import wait_for

DISPATCHER = Path(__file__).resolve().parents[2] / "deploy" / "dispatcher.sh"

FAKE_RAY = """#!/usr/bin/env bash
trap 'echo "ray ended" >> "$CALLS"; exit 0' TERM
echo "ray $*" >> "$CALLS"
[ "$RAY_FAILS" = no ] || exit 7
mkdir -p "$RAY_TMPDIR/ray"; touch "$RAY_TMPDIR/ray/ray_current_cluster"
while :; do sleep 0.1; done
"""
FAKE_GROUPING = """#!/usr/bin/env bash
trap 'echo "grouping ended" >> "$CALLS"; exit 0' TERM
echo "grouping $*" >> "$CALLS"
[ "$DISPATCHER_FAILS" = no ] || exit 9
while :; do sleep 0.1; done
"""


class EntryScript:
    """The script, run where `ray` and `grouping` only write down how they were called."""

    def __init__(self, folder: Path, *, ray_fails: str = "no", dispatcher_fails: str = "no") -> None:
        programs = folder / "programs"
        programs.mkdir()
        for name, content in (("ray", FAKE_RAY), ("grouping", FAKE_GROUPING)):
            (programs / name).write_text(content)
            (programs / name).chmod(0o755)
        self._calls = folder / "calls"
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CALLS": str(self._calls),
            "RAY_TMPDIR": str(folder),
            "RAY_HEAD_ADDRESS": "head:6379",
            "RAY_FAILS": ray_fails,
            "DISPATCHER_FAILS": dispatcher_fails,
        }

    def __enter__(self) -> EntryScript:
        self.process = subprocess.Popen(
            ["bash", str(DISPATCHER), "--extra"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def wait_for_call(self, word: str) -> None:
        wait_for(lambda: any(line.startswith(word) for line in self.calls()), f"a call of {word}")


def test_a_term_ends_the_dispatcher_before_its_node(tmp_path: Path) -> None:
    with EntryScript(tmp_path) as script:
        script.wait_for_call("grouping")
        script.process.send_signal(signal.SIGTERM)
        assert script.process.wait() == 128 + signal.SIGTERM
        node, dispatcher, *ends = script.calls()
    assert node.startswith("ray start --address=head:6379 --num-cpus=0 ")
    assert dispatcher == "grouping dispatcher --ray-address auto --extra"
    assert ends == ["grouping ended", "ray ended"]


def test_a_dispatcher_that_fails_takes_its_node_with_it(tmp_path: Path) -> None:
    with EntryScript(tmp_path, dispatcher_fails="yes") as script:
        assert script.process.wait() == 9
        assert script.calls()[-1] == "ray ended"


def test_without_a_cluster_no_dispatcher_is_started(tmp_path: Path) -> None:
    with EntryScript(tmp_path, ray_fails="yes") as script:
        assert script.process.wait() == 1
        assert not any(line.startswith("grouping") for line in script.calls())
