"""Packages that Ray installs for the trainings of one trainer, on a cluster of one node."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.store import Store
from tests.services import dispatcher, submit, wait_until_final

pytestmark = pytest.mark.slow

TRAIN = """
import json, os
import wheeled

print("wheeled", wheeled.__file__)
losses = dict.fromkeys(json.loads(os.environ["GROUPING_TASKS_JSON"]), wheeled.LOSS)
json.dump({"validation": losses}, open(os.environ["GROUPING_OUT"] + "/result.json", "w"))
"""
SPEC = JobSpec(
    "digits",
    ("digit",),
    trainer="installed",
    strategy="exhaustive",
    single_sizes=(),
    budgets_snt=(1.0,),
    n_seeds=1,
    n_confirmation_seeds=0,
)


def make_wheel(folder: Path) -> Path:
    """Make a wheel of one module, as no package index is at hand."""
    path = folder / "wheeled-1.0-py3-none-any.whl"
    about = "wheeled-1.0.dist-info"
    files = {
        "wheeled.py": "LOSS = 0.125\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: wheeled\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        record = [*files, f"{about}/RECORD"]
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in record))
    return path


def test_packages_are_installed_for_the_trainings_of_one_trainer(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    trainers = tmp_path / "trainers.toml"
    trainers.write_text(
        '[trainers.installed]\ncommand = ["{python}", "train.py"]\n'
        f'[trainers.installed.runtime_env]\npip = ["--no-index", "{make_wheel(tmp_path)}"]\n'
    )
    with dispatcher(sqlite_url, tmp_path / "log", "--trainers", str(trainers), workers=1) as process:
        job = wait_until_final(store, submit(store, SPEC))
        assert job.state is JobState.SUCCEEDED, (job.error, process.output()[-2000:])
    (trial,) = store.trials(job.id)
    assert [score.validation_loss for score in trial.scores] == [0.125]
    assert "runtime_resources/pip" in store.trial_log(job.id, trial.id).text, "in an environment of its own"
