"""Time that the runner of a command adds to the command: its guard, its pipes, its result.

python benchmarks/command_overhead.py [TRAININGS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.trainers import NoReports
from grouping.trainers.command_process import Command, run_command

PROGRAM = """
import pathlib, sys
pathlib.Path(sys.argv[1], "result.json").write_text('{{"validation": {{"a": 0.5}}}}')
"""


def main(n_trainings: int) -> None:
    alone, guarded = [], []
    command = Command((sys.executable, "-c", PROGRAM, "{out}"))
    with tempfile.TemporaryDirectory() as folder:
        plain = [sys.executable, "-c", PROGRAM.replace("{{", "{").replace("}}", "}"), folder]
        for seed in range(n_trainings):
            started = time.perf_counter()
            subprocess.run(plain, check=True, cwd=Path.cwd())
            alone.append(time.perf_counter() - started)
            started = time.perf_counter()
            outcome = run_command(command, TrialRequest(Network.of("a"), seed), NoReports())
            guarded.append(time.perf_counter() - started)
            assert outcome.state is TrialState.SUCCEEDED, outcome.error
    extra = [more - less for more, less in zip(guarded, alone, strict=True)]
    print(f"the command alone   {1000 * statistics.median(alone):6.0f} ms")
    print(f"through the runner  {1000 * statistics.median(guarded):6.0f} ms")
    print(
        f"added, median       {1000 * statistics.median(extra):6.0f} ms, the most {1000 * max(extra):.0f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
