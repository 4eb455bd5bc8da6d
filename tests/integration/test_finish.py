"""Taking a recommendation home: from a job in a database to kept weights and a bundle, by the commands."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from grouping.artefacts.address import Address
from grouping.artefacts.kept import FinishedGrouping, KeptNetworks, LearnedRows
from grouping.bundle import load
from grouping.cli import app
from grouping.client import Client, ServiceError
from grouping.data_sets.definitions import ProblemDefinition, Target
from grouping.data_sets.folder import DATA_VARIABLE, DataFolder
from grouping.data_sets.packed import pack
from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.recipes import BuiltInParameters, Method, Recipe
from grouping.domain.trainings.trials import Purpose, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.errors import BundleError, InvalidInputError, StateConflictError, TrainingError
from grouping.problems.registry import get_problem
from grouping.store import Store, open_store
from grouping.training.keeping import KeptTraining
from grouping.training.worker import BuiltInWorker
from grouping.use_cases.bundles import find_bundle, why_none
from grouping.use_cases.computing import InThisProcess
from grouping.use_cases.finish import finish, recommended
from grouping.use_cases.table_queries import TableQueries
from grouping_api.main import create_app
from grouping_api.settings import Settings
from tests.frames import shop
from tests.in_process import LocalExecutor, run_of
from tests.integration.conftest import Api
from tests.recipes import by
from tests.services import small_spec, submit

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = "http://127.0.0.1:8000"
SPEC = small_spec(
    tasks=("digit", "loop", "edges"), epochs=2, budgets_snt=(2.0,), n_seeds=1, n_confirmation_seeds=3
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A home folder with a migrated database."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(sqlite_template, folder / "grouping.db")
    return folder


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{home / 'grouping.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def job(store: Store) -> Job:
    """A job on images of digits that has succeeded."""
    return carried_out(store, SPEC)


@pytest.fixture(scope="module")
def kept(home: Path) -> KeptNetworks:
    return KeptNetworks(str(home / "kept"))


@pytest.fixture(scope="module")
def finished(store: Store, job: Job, kept: KeptNetworks) -> FinishedGrouping:
    return finish(store, recommended(store, job.id), kept)


def carried_out(store: Store, spec: JobSpec) -> Job:
    job = submit(store, spec)
    run_of(store, LocalExecutor()).run()
    ended = store.get_job(job.id)
    assert ended.state is JobState.SUCCEEDED, ended.error
    return ended


def command(home: Path, *words: str) -> Result:
    env = {"GROUPING_DATABASE_URL": None, "GROUPING_KEPT": None, DATA_VARIABLE: None}
    return CliRunner().invoke(app, [*words, "--home", str(home)], env=env)


def test_every_loss_is_that_of_the_job_to_the_last_bit(
    store: Store, job: Job, finished: FinishedGrouping
) -> None:
    assert finished.seeds == job.spec.confirmation_seeds
    queries = TableQueries(store, InThisProcess(60))
    (told,) = queries.recommendations(queries.info(job.score_table_id))
    assert finished.grouping == recommended(store, job.id).grouping == told.solution.grouping
    assert recommended(store, job.id).verdict == told.verdict
    assert all(one.is_compared and not one.differs for one in finished.kept)
    of_job = {
        (trial.network.key, trial.seed): trial.scores
        for trial in store.trials(job.id)
        if trial.purpose is Purpose.CONFIRMATION
    }
    for one in finished.kept:
        assert one.scores == of_job[one.network.key, one.seed]


def test_kept_networks_are_listed_found_and_read_again(
    store: Store, job: Job, kept: KeptNetworks, finished: FinishedGrouping
) -> None:
    assert kept.list(job.id) == (finished,)
    grouping = recommended(store, job.id).grouping
    assert kept.find(job.id, grouping, LearnedRows.TRAIN) == finished
    assert kept.find(job.id, grouping, LearnedRows.TRAIN_AND_VALIDATION) is None
    assert sum(len(kept.weights(finished, one)) for one in finished.kept) == finished.n_bytes


def test_kept_weights_that_were_changed_are_refused(
    tmp_path: Path, kept: KeptNetworks, finished: FinishedGrouping
) -> None:
    copy = Path(shutil.copytree(kept.address, tmp_path / "kept"))
    damaged = KeptNetworks(str(copy))
    first, second = finished.kept[:2]
    (path,) = copy.rglob(f"{first.sha256}.safetensors")
    path.write_bytes(b"other")
    with pytest.raises(BundleError, match="were changed: train them again"):
        damaged.weights(finished, first)
    (path,) = copy.rglob(f"{second.sha256}.safetensors")
    path.unlink()
    with pytest.raises(BundleError, match="are gone"):
        damaged.weights(finished, second)
    (naming,) = copy.rglob("finished.json")
    naming.write_text("{")
    with pytest.raises(BundleError, match="damaged: remove that folder"):
        damaged.list()


def test_an_address_of_fsspec_keeps_them_too(kept: KeptNetworks, finished: FinishedGrouping) -> None:
    elsewhere = KeptNetworks("memory://kept")
    elsewhere.add(finished, [kept.weights(finished, one) for one in finished.kept])
    assert elsewhere.list() == (finished,)
    elsewhere.remove(finished)
    assert elsewhere.list() == ()


def test_the_commands_go_from_a_job_to_predictions(
    home: Path, job: Job, finished: FinishedGrouping, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    done = command(home, "export", job.id[:16], "--budget", "2", "--out", str(out), "--licence", "CC0")
    assert done.exit_code == 0, done.output
    assert "Kept since" in done.output
    assert "test losses of its networks to the last bit" in done.output
    bundle = load(out)
    assert bundle.tasks == job.spec.tasks
    told = bundle.predict(np.zeros((3, 64)))
    assert list(told["digit"].index) == [0, 1, 2]
    card = (out / "MODEL_CARD.md").read_text()
    for said in ("CC0", "`digit`", str(finished.data_digest), "networks.svg", "to the last bit"):
        assert said in card
    assert (out / "networks.svg").read_text().startswith("<svg")


@pytest.fixture(scope="module")
def offering(home: Path, store: Store, job: Job, kept: KeptNetworks, finished: FinishedGrouping) -> Api:
    """A service that knows what `grouping finish` has kept: the networks of a job, as a bundle."""
    done = command(home, "finish", job.id, "--licence", "CC0")
    assert done.exit_code == 0, done.output
    assert "Kept since" in done.output
    assert "manifest.json" in kept.bundle_files(finished)
    return Api(create_app(settings_of(home, kept.address), store))


def settings_of(home: Path, kept: str | None, bundle_downloads: int = 8) -> Settings:
    return Settings(
        database_url=f"sqlite:///{home / 'grouping.db'}", kept=kept, bundle_downloads=bundle_downloads
    )


def test_a_service_sends_the_bundle_that_is_kept(
    offering: Api, home: Path, store: Store, job: Job, tmp_path: Path
) -> None:
    answer = offering.get(f"/v1/jobs/{job.id}/bundle?budget_snt=2")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert re.search(r'attachment; filename="[\w.-]+-2-bundle\.zip"', answer.headers["content-disposition"])
    assert offering.get(f"/v1/jobs/{job.id}/bundle?rows=train").content == answer.content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {"bundle"}
        archive.extractall(tmp_path / "sent")
    done = command(home, "export", job.id, "--out", str(tmp_path / "written"))
    assert done.exit_code == 0, done.output
    rows = np.random.default_rng(0).normal(size=(20, 64))
    written, sent = (load(folder).arrays(rows) for folder in (tmp_path / "written", tmp_path / "sent/bundle"))
    for task in job.spec.tasks:
        np.testing.assert_array_equal(sent[task], written[task])
    assert "CC0" in (tmp_path / "sent/bundle/MODEL_CARD.md").read_text()
    page = offering.get(f"/jobs/{job.id}").text
    assert f'href="/v1/jobs/{job.id}/bundle?budget_snt=2"' in page
    assert "grouping finish" not in page


def test_the_client_writes_the_bundle_to_a_file(offering: Api, job: Job, tmp_path: Path) -> None:
    client = Client("http://127.0.0.1:1")
    client._http = TestClient(offering.app, base_url=offering.base_url)  # type: ignore[assignment]
    out = client.job(job.id).download_bundle(tmp_path / "b.zip", budget_snt=2)
    with zipfile.ZipFile(out) as archive:
        assert "bundle/manifest.json" in archive.namelist()
    with pytest.raises(ServiceError, match="--on train\\+validation"):
        client.job(job.id).download_bundle(tmp_path / "c.zip", rows=LearnedRows.TRAIN_AND_VALIDATION)
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"], "and no part of the other one"


def test_where_there_is_no_bundle_it_is_said_how_to_make_one(
    offering: Api, home: Path, store: Store, job: Job, kept: KeptNetworks, tmp_path: Path
) -> None:
    def refused(api: Api, query: str, status: int) -> str:
        answer = api.get(f"/v1/jobs/{job.id}/bundle{query}")
        assert answer.status_code == status
        return str(answer.json()["detail"])

    elsewhere = Api(create_app(settings_of(home, str(tmp_path / "none")), store))
    wanted = f"grouping finish {job.id} --budget 2"
    assert refused(elsewhere, "", 409).endswith(wanted)
    assert f'<code class="break">{wanted}</code>' in elsewhere.get(f"/jobs/{job.id}").text
    assert refused(offering, "?rows=train%2Bvalidation", 409).endswith(f"{wanted} --on train+validation")
    assert refused(offering, "?budget_snt=1", 409).endswith("--budget 1"), "another grouping"
    refused(offering, "?budget_snt=0.1", 422)
    assert offering.get(f"/v1/jobs/{'f' * 32}/bundle").status_code == 404
    without = Api(create_app(settings_of(home, None), store))
    assert "start it with --kept" in refused(without, "", 409)
    assert "start it with --kept" in without.get(f"/jobs/{job.id}").text
    unreadable = Api(create_app(settings_of(home, "unheard-of://place"), store))
    assert "unheard-of" in refused(unreadable, "", 422)
    assert "unheard-of" in unreadable.get(f"/jobs/{job.id}").text
    other = replace(job, spec=replace(job.spec, trainer="of-my-own"))
    assert "built-in trainer" in why_none(kept.address, other)


def test_bundles_are_sent_a_few_at_a_time(home: Path, store: Store, job: Job, kept: KeptNetworks) -> None:
    app = create_app(settings_of(home, kept.address, bundle_downloads=1), store)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            return await client.get(f"/v1/jobs/{job.id}/bundle")

    async def ask_while_one_is_sent() -> httpx.Response:
        async with app.state.bundle_places.let_in():
            return await ask()

    busy = asyncio.run(ask_while_one_is_sent())
    assert (busy.status_code, "Retry-After" in busy.headers) == (503, True)
    assert "as many bundles as it can" in busy.json()["detail"]
    for _ in range(2):  # a place is given back once a bundle is sent
        assert asyncio.run(ask()).status_code == 200


def test_networks_that_are_trained_again_take_their_bundle_with_them(
    home: Path, store: Store, job: Job, offering: Api, kept: KeptNetworks, finished: FinishedGrouping
) -> None:
    copy = KeptNetworks("memory://again")
    copy.add(finished, [kept.weights(finished, one) for one in finished.kept])
    assert find_bundle(copy.address, job, finished.grouping) is None
    Address(copy.bundle_address(finished)).write("network-1-00.safetensors", b"of an export that was killed")
    assert find_bundle(copy.address, job, finished.grouping) is None
    Address(copy.bundle_address(finished)).write("manifest.json", b"{}")
    found = find_bundle(copy.address, job, finished.grouping)
    assert found is not None
    assert found.files == ("manifest.json", "network-1-00.safetensors")
    copy.add(finished, [kept.weights(finished, one) for one in finished.kept])
    assert find_bundle(copy.address, job, finished.grouping) is None
    with pytest.raises(BundleError, match=r"'manifest.json' in .* cannot be read"):
        b"".join(found.zipped())


def test_kept_networks_are_listed_and_removed_by_a_command(home: Path, job: Job, tmp_path: Path) -> None:
    other = str(tmp_path / "kept")
    assert command(home, "finish", job.id, "--kept", other, "--seeds", "1").exit_code == 0
    told = json.loads(command(home, "kept", "--kept", other, "--json").output)
    (entry,) = told["kept"]
    assert (entry["job_id"], entry["rows"], len(entry["seeds"])) == (job.id, "train", 1)
    assert entry["bytes"] > 0
    assert "0 groupings" in command(home, "kept", "--kept", other, "--older-than", "1", "--remove").output
    assert "1 grouping," in command(home, "kept", job.id[:8], "--kept", other).output
    refused = command(home, "kept", "nothing", "--kept", other)
    assert isinstance(refused.exception, InvalidInputError)
    assert "Nothing is kept" in str(refused.exception)
    assert "1 grouping," in command(home, "kept", "--kept", other, "--remove").output
    assert "0 groupings" in command(home, "kept", "--kept", other).output


def test_the_validation_rows_may_be_trained_on_too(home: Path, job: Job, tmp_path: Path) -> None:
    out, words = tmp_path / "bundle", ("--on", "train+validation", "--seeds", "2")
    done = command(home, "export", job.id, "--out", str(out), *words, "--kept", str(tmp_path / "kept"))
    assert done.exit_code == 0, done.output
    manifest = load(out).manifest
    assert (manifest.rows, len(manifest.seeds), manifest.is_exact) == ("train+validation", 2, True)
    assert {network.seed for network in manifest.networks} == {job.spec.confirmation_seeds[0]}


def test_trainings_that_differ_are_told(
    store: Store, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = store.trials(job.id)

    def others(self: Store, job_id: str, **options: object) -> object:
        return tuple(
            replace(t, scores=tuple(replace(s, validation_loss=s.validation_loss + 1e-9) for s in t.scores))
            for t in trials
        )

    monkeypatch.setattr(Store, "trials", others)
    found = finish(store, recommended(store, job.id), KeptNetworks(str(tmp_path)), n_seeds=1)
    for one in found.kept:
        assert one.is_compared
        assert "here" in one.differs[0]
        assert "in the job" in one.differs[0]


def test_a_seed_that_diverges_is_left_out(
    store: Store, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, train = recommended(store, job.id), BuiltInWorker.train_to_keep
    first, *others = job.spec.confirmation_seeds

    def lost(seeds: tuple[int, ...]) -> None:
        """Have trainings with these seeds diverge."""

        def trained(self: BuiltInWorker, requests: list[TrialRequest], **more: bool) -> list[KeptTraining]:
            diverged = KeptTraining(TrialOutcome(TrialState.DIVERGED, error="too fast"))
            done = train(self, requests, **more)
            return [diverged if r.seed in seeds else one for r, one in zip(requests, done, strict=True)]

        monkeypatch.setattr(BuiltInWorker, "train_to_keep", trained)

    lost((first,))
    assert finish(store, found, KeptNetworks(str(tmp_path))).seeds == tuple(others)
    lost(job.spec.confirmation_seeds)
    with pytest.raises(TrainingError, match="diverged: too fast"):
        finish(store, found, KeptNetworks(str(tmp_path / "none")))


def test_what_cannot_be_finished_is_refused_in_words(
    home: Path, store: Store, job: Job, tmp_path: Path
) -> None:
    kept = KeptNetworks(str(tmp_path))
    found = recommended(store, job.id)
    for n_seeds in (0, 101):
        with pytest.raises(InvalidInputError, match=f"Seeds are 1 to 100, not {n_seeds}"):
            finish(store, found, kept, n_seeds=n_seeds)
    other = replace(found, job=replace(job, data_digest="0" * 64))
    with pytest.raises(InvalidInputError, match="not those that the job was trained on"):
        finish(store, other, kept)
    foreign = replace(found, job=replace(job, spec=replace(job.spec, trainer="of-my-own")))
    with pytest.raises(InvalidInputError, match="trained by 'of-my-own', and only those of the built-in"):
        finish(store, foreign, kept)
    for recipe, needs in (
        (Recipe(patience=2), "patience"),
        (Recipe(learning_rate_schedule=Method("plateau")), "learning-rate schedule 'plateau'"),
    ):
        settled = {**job.settled, "recipe": BuiltInParameters(recipe).as_mapping()["recipe"]}
        patient = replace(found, job=replace(job, settled=settled))
        with pytest.raises(InvalidInputError, match=f"validation rows of its own, for its {needs}"):
            finish(store, patient, kept, rows=LearnedRows.TRAIN_AND_VALIDATION)
    assert kept.list() == ()
    done = command(home, "export", "f" * 32, "--out", str(tmp_path / "bundle"))
    assert (done.exit_code, "f" * 32 in str(done.exception)) == (1, True)
    done = command(tmp_path / "nowhere", "finish", job.id)
    assert "There is no database in" in str(done.exception)


def test_of_another_trainer_the_artefacts_of_the_recommended_networks_are_named(
    store: Store, job: Job, kept: KeptNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = recommended(store, job.id)
    trials = store.trials(job.id)

    def reported(*_: object, **__: object) -> list[Trial]:
        return [replace(one, artefact=f"{one.network.name(job.spec.tasks)}:{one.seed}") for one in trials]

    monkeypatch.setattr(type(store), "trials", reported)
    foreign = replace(found, job=replace(job, spec=replace(job.spec, trainer="of-my-own")))
    with pytest.raises(InvalidInputError) as refused:
        finish(store, foreign, kept)
    seeds = job.spec.fresh_seeds(job.spec.n_confirmation_seeds)
    names = [network.name(job.spec.tasks) for network in found.grouping.networks]
    said = "; ".join(f"{name} in {', '.join(f'{name}:{seed}' for seed in seeds)}" for name in names)
    assert str(refused.value).endswith(f"It keeps what it trained itself: {said}.")


def test_a_folder_of_something_else_is_refused_before_anything_is_trained(
    home: Path, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")
    shelf = str(tmp_path / "kept")
    done = command(home, "export", job.id, "--out", str(tmp_path), "--kept", shelf)
    assert "holds no bundle" in str(done.exception)
    assert KeptNetworks(shelf).list() == ()


def test_a_job_of_several_budgets_asks_for_one_and_takes_any(store: Store, job: Job) -> None:
    with pytest.raises(InvalidInputError, match=r"\d"):
        recommended(store, job.id, 0.1)
    assert len(recommended(store, job.id, 1.0).grouping.networks) == 1
    waiting = submit(store, replace(SPEC, name="waits"))
    with pytest.raises(StateConflictError, match="wait for its end"):
        recommended(store, waiting.id)
    store.request_cancel(waiting.id)


def test_a_job_on_a_table_is_taken_home_with_its_columns(home: Path, store: Store, tmp_path: Path) -> None:
    os.environ[DATA_VARIABLE] = str(home / "data")
    folder = DataFolder(str(home / "data"))
    frame = shop()
    frame["day"] = pd.to_datetime(frame["day"])
    data_set, _ = folder.add(pack(frame), "shop", "shop.csv")
    targets = (Target(("price",)), Target(("clicked",)))
    problem, _ = folder.define(data_set, ProblemDefinition(targets, without=("user",)))
    recipe = replace(get_problem(problem.name).recipe, epochs=2)
    spec = JobSpec(
        problem.name,
        ("price", "clicked"),
        budgets_snt=(1.0, 2.0),
        n_seeds=1,
        n_confirmation_seeds=2,
        trainer_parameters=by(recipe),
    )
    job = carried_out(store, spec)
    with pytest.raises(InvalidInputError, match=r"Name a budget.*1, 2"):
        recommended(store, job.id)
    out = tmp_path / "bundle"
    done = command(home, "export", job.id, "--budget", "2", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "to the last bit" in done.output
    bundle = load(out)
    told = bundle.predict(frame.head(5)[["age", "city", "member", "day"]], probabilities=True)
    assert list(told.columns) == ["price", "clicked", "clicked = yes"]
    assert set(told["clicked"]) <= {"yes", "no"}
    assert "- `city`: category" in (out / "MODEL_CARD.md").read_text()
