"""Commands that run the service: all of it, the API alone, a dispatcher alone."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.options.data_folder import DataFolderOption, use_data
from grouping.cli.options.home import DEFAULT_HOME, Home, expanded, expanded_if_any, private_folder
from grouping.cli.options.kept_folder import KeptOption, use_kept
from grouping.cli.options.trainers_file import TrainersFile, use_trainers
from grouping.cli.options.webhooks import WebhookSecretFile, WebhooksOption, use_webhooks
from grouping.cli.processes import Child, end_with_parent, stop_together
from grouping.domain.trainings.engines import Engine
from grouping.errors import InvalidInputError, StoreUnavailableError

logger = logging.getLogger(__name__)

DEFAULT_PORT = 8000
READY_TIMEOUT_S = 60.0

Host = Annotated[
    str, typer.Option(help="Address to listen on; beyond loopback only with GROUPING_API_TOKEN.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="GROUPING_DATABASE_URL",
        help="SQLite or PostgreSQL; a file in --home unless given.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="The most trainings at the same time; one per processor unless given."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        envvar="GROUPING_RAY_ADDRESS", help="Ray cluster to join; a private local one unless given."
    ),
]
Checkpoints = Annotated[
    Path | None,
    typer.Option(
        envvar="GROUPING_CHECKPOINTS",
        help="Folder of unfinished trainings, shared by all workers; beside the database unless given.",
        file_okay=False,
    ),
]
TrialsPerGpu = Annotated[
    int,
    typer.Option(
        min=1, envvar="GROUPING_TRIALS_PER_GPU", help="Workers that share one GPU, where there are any."
    ),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine",
        envvar="GROUPING_ENGINE",
        help="Engine that trains the networks; the fastest, measured once per job, unless named.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        max=100,
        envvar="GROUPING_JOBS",
        help="The most jobs at the same time, which share Ray.",
    ),
]
DataPaths = Annotated[
    list[Path] | None,
    typer.Option(
        "--allow-data-path",
        help="Folder from which the service may store tables by their path; may be given several times.",
        file_okay=False,
    ),
]
RootPathOption = Annotated[
    str | None,
    typer.Option(
        "--root-path",
        envvar="GROUPING_ROOT_PATH",
        help="Path below which a proxy shows the service, such as /grouping.",
    ),
]
DEFAULT_JOBS = 2


def database_url(url: str | None, home: Path) -> str:
    """Return the URL of the database: the one given, or that of a SQLite file in the home folder."""
    return url or f"sqlite:///{database_file(home)}"


def database_file(home: Path) -> Path:
    """Return the SQLite file of a home folder, whether or not it is there."""
    return expanded(home) / "grouping.db"


def checkpoint_folder(given: Path | None, database: str, home: Path) -> Path:
    """Return the folder of checkpoints: the one given, one beside a SQLite file, or in the home folder."""
    if given is not None:
        return expanded(given)
    path = database.partition("sqlite:///")[2].partition("?")[0]
    if path and not path.startswith("file:"):
        return Path(path).resolve().with_suffix(".checkpoints")
    return expanded(home) / "checkpoints"


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        url: address of the API and web view.
        children: processes of the service.
    """

    url: str
    children: tuple[Child, ...]


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InvalidInputError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port (0: any free one)."
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def running_service(
    *, host: str, port: int, home: Path, database: str, workers: int | None, ray_address: str | None
) -> Iterator[Service]:
    """Start API and dispatcher on one database, wait until they answer, and end them on leaving.

    Data sets and bundles are where the environment says, else in the home folder, for both of them.

    Raises:
        InvalidInputError: if the port is taken, or the host needs a token that is not set.
        StoreUnavailableError: if the database cannot be reached or the API does not come up.
    """
    from grouping.artefacts.kept import KEPT_VARIABLE
    from grouping.data_sets.folder import DATA_VARIABLE
    from grouping.store import migrate
    from grouping_api.settings import read_settings
    from grouping_workers.dispatch.private_cluster import surprises

    use_data(os.environ.get(DATA_VARIABLE), home)
    use_kept(os.environ.get(KEPT_VARIABLE), home)
    for sentence in () if ray_address else surprises():
        typer.echo(sentence, err=True)
    read_settings(database).check_bind(host)
    port = _free_port(host, port)
    logs = private_folder(expanded(home)) / "logs"
    migrate(database)
    environment = {**os.environ, "GROUPING_DATABASE_URL": database}
    dispatcher = ["dispatcher", "--home", str(expanded(home))]
    dispatcher += ["--workers", str(workers)] if workers else []
    dispatcher += ["--ray-address", ray_address] if ray_address else []
    shown = f"[{host}]" if ":" in host else host
    service = Service(
        f"http://{shown}:{port}",
        (
            Child("API", ["api", "--host", host, "--port", str(port)], environment, logs / "api.log"),
            Child("dispatcher", dispatcher, environment, logs / "dispatcher.log"),
        ),
    )
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(0.5):
            for child in service.children:
                child.revive()

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        for child in service.children:
            child.start()
        _wait_until_ready(service.url, service.children[0])
        watcher.start()
        yield service
    finally:
        stopping.set()
        if watcher.is_alive():
            watcher.join()
        stop_together(service.children)


def _wait_until_ready(url: str, api: Child) -> None:
    from grouping.client.http import answers

    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if answers(url):
            return
        if not api.is_alive():
            raise StoreUnavailableError(f"The API ended at its start. Its messages: {api.log}")
        time.sleep(0.1)
    raise StoreUnavailableError(f"The API did not come up within {READY_TIMEOUT_S:.0f} s; see its messages.")


def _allow(paths: list[Path] | None) -> None:
    """Have the API, here or in a process that is started, read tables in some folders by their path."""
    if paths:
        os.environ["GROUPING_DATA_PATHS"] = os.pathsep.join(str(expanded(path)) for path in paths)


def _show_below(root_path: str | None) -> None:
    """Have the API, here or in a process that is started, put a path before all its addresses."""
    if root_path is not None:
        os.environ["GROUPING_ROOT_PATH"] = root_path


def wait_for_signal() -> None:
    """Block until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    end_with_parent(stop.set)
    previous = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stop.wait(1.0):
            pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def serve(
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    workers: Workers = None,
    ray_address: RayAddress = None,
    trainers: TrainersFile = None,
    data_folder: DataFolderOption = None,
    kept: KeptOption = None,
    data_paths: DataPaths = None,
    root_path: RootPathOption = None,
    webhooks: WebhooksOption = None,
    webhook_secret_file: WebhookSecretFile = None,
) -> None:
    """Run everything on this machine: database, API and web view, dispatcher, Ray."""
    from grouping.use_cases.webhooks import allowed_webhooks, webhook_signer

    _show_below(root_path)
    use_trainers(trainers, home, is_strict=True)
    use_data(data_folder, home)
    use_kept(kept, home)
    use_webhooks(webhooks, webhook_secret_file)
    if allowed_webhooks().prefixes:
        webhook_signer()  # without a secret nothing is started
    _allow(data_paths)
    database = database_url(url, home)
    if ray_address:
        _warn_if_unreachable(ray_address)
    with running_service(
        host=host, port=port, home=home, database=database, workers=workers, ray_address=ray_address
    ) as service:
        typer.echo(f"Serving on {service.url} (Ctrl-C ends it; logs in {expanded(home) / 'logs'})")
        wait_for_signal()
        typer.echo("Stopping; jobs go on when the service runs again.")


def _warn_if_unreachable(ray_address: str) -> None:
    from grouping_workers.dispatch.reach import refuse_unreachable

    try:
        refuse_unreachable(ray_address)
    except ConnectionError as error:
        typer.echo(f"{error} Jobs wait until it does.", err=True)


def api(
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    trainers: TrainersFile = None,
    data_folder: DataFolderOption = None,
    kept: KeptOption = None,
    data_paths: DataPaths = None,
    root_path: RootPathOption = None,
    webhooks: WebhooksOption = None,
) -> None:
    """Run the API and web view alone."""
    _show_below(root_path)
    use_trainers(trainers, home)
    use_data(data_folder, home)
    use_kept(kept, home)
    use_webhooks(webhooks)
    _allow(data_paths)
    from grouping_api.main import create_app
    from grouping_api.server import Server
    from grouping_api.settings import read_settings

    settings = read_settings(database_url(url, home))
    settings.check_bind(host)
    app = create_app(settings)
    app.state.store.check_schema()
    server = Server(app, host=host, port=port)
    end_with_parent(server.stop)
    server.run_until_stopped()


def dispatcher(
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    workers: Workers = None,
    ray_address: RayAddress = None,
    checkpoints: Checkpoints = None,
    checkpoint_s: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints of a training.")
    ] = 30.0,
    trials_per_gpu: TrialsPerGpu = 1,
    engine: EngineOption = Engine.AUTO,
    lease_s: Annotated[
        float, typer.Option(min=1, help="Seconds after which a dead dispatcher's job is free.")
    ] = 30.0,
    jobs: Jobs = DEFAULT_JOBS,
    prepare_s: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds after which a trainer that prepares a job, and loads its data, counts as hanging.",
            show_default="6 hours",
        ),
    ] = None,
    measure_s: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds after which a trainer that measures what further networks cost counts as hanging.",
            show_default="an hour",
        ),
    ] = None,
    plan_s: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds after which a strategy that plans counts as hanging.",
            show_default="an hour",
        ),
    ] = None,
    train_s: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds after which a training is ended, and has failed, unless its job or trainer states "
            "a deadline; of networks that are trained as one, those for all of them.",
            show_default="a week",
        ),
    ] = None,
    finish_s: Annotated[
        float,
        typer.Option(
            min=1,
            help="Seconds after which training networks to be kept as a bundle is ended, and has failed.",
            show_default="a day",
        ),
    ] = 86_400.0,
    trainers: TrainersFile = None,
    data_folder: DataFolderOption = None,
    kept: KeptOption = None,
    webhooks: WebhooksOption = None,
    webhook_secret_file: WebhookSecretFile = None,
) -> None:
    """Run one dispatcher: it claims jobs, and each has its networks trained by a process of its own."""
    use_trainers(trainers, home)
    use_data(data_folder, home)
    use_kept(kept, home)
    use_webhooks(webhooks, webhook_secret_file)
    from grouping.artefacts.kept import KEPT_VARIABLE
    from grouping.store import open_store
    from grouping_workers.dispatch.dispatcher import Dispatcher
    from grouping_workers.dispatch.messages import Activity
    from grouping_workers.dispatch.notifier import notifier_of
    from grouping_workers.settings import LIMITS_S, TRAINING_S, RaySettings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s dispatcher: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database = database_url(url, home)
    store = open_store(database)
    store.check_schema()
    folder = checkpoint_folder(checkpoints, database, home)
    given = (
        (Activity.PREPARING, prepare_s),
        (Activity.MEASURING, measure_s),
        (Activity.PLANNING, plan_s),
    )
    settings = RaySettings(
        ray_address,
        expanded_if_any(home),
        workers,
        trials_per_gpu,
        folder,
        checkpoint_s,
        engine,
        limits_s=LIMITS_S | {activity: limit for activity, limit in given if limit is not None},
        training_s=TRAINING_S if train_s is None else train_s,
    )
    worker = Dispatcher(
        store,
        database,
        settings,
        lease_s=lease_s,
        n_jobs=jobs,
        notifier=notifier_of(store),
        kept=os.environ.get(KEPT_VARIABLE),
        finish_s=finish_s,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.request_stop())
    end_with_parent(worker.request_stop)
    try:
        worker.run()
    finally:
        store.close()


def migrate(home: Home = DEFAULT_HOME, url: DatabaseUrl = None) -> None:
    """Bring the database to the newest schema; create it if there is none."""
    from grouping.store import migrate as run_migrations
    from grouping.store import open_store

    database = database_url(url, home)
    run_migrations(database)
    store = open_store(database)
    typer.echo(f"{store.url_shown} has the newest schema.")
    store.close()
