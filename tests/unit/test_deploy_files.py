"""What is written for other machines: the lock, the Makefile, the images, the compose file and its papers."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.domain.trainings.trials import TrialRequest
from grouping.trainers import LocalPool, TrainerJob, discover_trainers, get_trainer
from grouping.trainers.registered import TRAINERS_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCRIPTS = Path(sys.executable).parent
SHELL_SCRIPTS = (*sorted(DEPLOY.glob("*.sh")), ROOT / ".ci" / "run")
API_EXTRAS = ("api", "postgres")
SECRETS = ("GROUPING_API_TOKEN", "POSTGRES_PASSWORD", "RAY_AUTH_TOKEN")


def run_command(*argv: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in argv],
        capture_output=True,
        text=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def read_compose() -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return content


def read_kuberay() -> dict[str, dict[str, Any]]:
    """The manifests for Kubernetes, by kind and name."""
    documents = YAML(typ="safe").load_all(DEPLOY / "kuberay.yaml")
    return {f"{one['kind']} {one['metadata']['name']}": one for one in documents}


def containers() -> dict[str, dict[str, Any]]:
    """Every container of the manifests, by its name."""
    found = read_kuberay()
    cluster = found["RayCluster grouping"]["spec"]
    templates = [one["spec"]["template"] for one in found.values() if one["kind"] == "Deployment"]
    templates += [cluster["headGroupSpec"]["template"]]
    templates += [group["template"] for group in cluster["workerGroupSpecs"]]
    specs = [template["spec"] for template in templates]
    return {c["name"]: c for spec in specs for c in [*spec.get("initContainers", ()), *spec["containers"]]}


def variables_of(container: dict[str, Any]) -> dict[str, Any]:
    """Environment variables of a container: texts, or where a secret is."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", ())}


def read_project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def read_lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.partition("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in pins}


def grouping_commands() -> list[list[str]]:
    """Every call of the command line in the compose file, the manifests, the Dockerfile and the scripts."""
    calls = [service.get("command", []) for service in read_compose()["services"].values()]
    calls += [container.get("command", []) for container in containers().values()]
    scripts = "\n".join(path.read_text() for path in SHELL_SCRIPTS)
    calls += [line.split() for line in re.findall(r"^grouping .*?(?= \"\$@\"| &|$)", scripts, re.MULTILINE)]
    images = re.findall(r"^CMD \[(.*)\]$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    calls += [re.findall(r'"([^"]*)"', line) for line in images]
    return [call for call in calls if call and call[0] == "grouping"]


# The lock


def test_every_direct_dependency_is_locked_within_its_bounds() -> None:
    project, lock = read_project(), read_lock()
    extras = project["optional-dependencies"]
    locked = ("api", "bundle-server", "docs", "onnx", "training", "postgres", "test")
    for line in [*project["dependencies"], *(line for extra in locked for line in extras[extra])]:
        wanted = Requirement(line)
        if wanted.name != project["name"]:
            assert wanted.specifier.contains(lock[canonicalize_name(wanted.name)]), line


def test_the_lock_names_exact_versions_in_order_and_no_build_of_torch() -> None:
    header, *lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert header.startswith("# ")
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line.upper())
    assert read_lock()["torch"] == "2.13.0"


@pytest.mark.parametrize(
    ("image", "extras"),
    [
        ("api", ("api", "postgres")),
        ("bundle", ("bundle-server",)),
        ("worker", ("api", "training", "postgres")),
    ],
)
def test_what_an_image_installs_is_locked_with_digests(image: str, extras: tuple[str, ...]) -> None:
    text = (DEPLOY / "locks" / f"{image}.txt").read_text()
    blocks = re.findall(
        r"^([a-z0-9.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M
    )
    assert sum(len(digests.splitlines()) + 1 for _, _, digests in blocks) == len(text.splitlines())
    project, lock = read_project(), read_lock()
    locked = {name: version for name, version, _ in blocks}
    of_environments = {"setuptools"}  # a lock does not name what makes its environment
    assert {name: v for name, v in locked.items() if name not in of_environments}.items() <= lock.items()
    optional = project["optional-dependencies"]
    for line in [*project["dependencies"], *(line for extra in extras for line in optional[extra])]:
        name = canonicalize_name(Requirement(line).name)
        assert name in locked or name in (project["name"], "torch"), line
    assert f"-r locks/{image}.txt" in (DEPLOY / "Dockerfile").read_text()


# The Makefile and the scripts


def test_make_help_lists_every_target_a_user_calls() -> None:
    listed = run_command("make", "--no-print-directory", "help").stdout
    for target in (
        "help",
        "run",
        "test",
        "check",
        "docs",
        "audit",
        "bench",
        "faults",
        "migrate",
        "lock",
        "openapi",
        "format",
        "clean",
    ):
        assert re.search(rf"^  {target} +\S", listed, re.MULTILINE), target


def test_make_says_what_is_missing_where_there_is_no_python(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    done = run_command("make", "-C", tmp_path, "run", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "Python 3.11 or newer is missing" in done.stderr
    assert "python3-venv" in done.stderr


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script_parses_and_may_be_executed(script: Path) -> None:
    done = run_command("bash", "-n", script)
    assert done.returncode == 0, done.stderr
    assert os.access(script, os.X_OK)


# The images


def test_the_dockerfile_passes_the_linter() -> None:
    done = run_command(SCRIPTS / "hadolint", "--no-color", DEPLOY / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_images_install_the_package_with_the_extras_they_need() -> None:
    extras = re.findall(r"/wheels/\*\.whl\)\[(\S+)\]", (DEPLOY / "Dockerfile").read_text())
    assert extras == [",".join(API_EXTRAS), "bundle-server", "service,postgres"]
    assert set(read_project()["optional-dependencies"]) >= {*API_EXTRAS, "bundle-server", "service"}


def test_what_the_dockerfile_copies_is_in_the_build_context() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert {source for sources in copied for source in sources.split()} == allowed


def modules_of_the_api_image() -> tuple[set[str], set[str]]:
    """Top-level modules of installed distributions that the API image has, and that it lacks."""
    present: set[str] = set()
    queue = [Requirement(f"mtl-grouping[{','.join(API_EXTRAS)}]")]
    seen: set[tuple[str, str]] = set()
    while queue:
        wanted = queue.pop()
        name = canonicalize_name(wanted.name)
        present.add(name)
        for extra in (wanted.extras or set()) | {""}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in importlib.metadata.requires(name) or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    queue.append(needed)
    locked = read_lock().keys()
    owners = {
        module: {canonicalize_name(name) for name in names}
        for module, names in importlib.metadata.packages_distributions().items()
    }
    has = {module for module, names in owners.items() if names & present}
    lacks = {module for module, names in owners.items() if names & locked and not names & present}
    return has, lacks


USE_THE_API = """
import importlib, importlib.abc, pkgutil, sys

lacking, database = set(sys.argv[1].split(",")), sys.argv[2]

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(f"the API image has no {name}", name=name)

sys.meta_path.insert(0, Missing())
import grouping_api
for module in pkgutil.walk_packages(grouping_api.__path__, "grouping_api."):
    importlib.import_module(module.name)

from grouping.cli import app
app(["migrate", "--database-url", database], standalone_mode=False)

from grouping_api.main import create_app
from grouping_api.settings import Settings
from fastapi.testclient import TestClient
with TestClient(create_app(Settings(database_url=database)), base_url="http://127.0.0.1") as client:
    for path in "/ /healthz /readyz /v1/jobs /v1/problems /v1/strategies /v1/score-tables".split():
        print(path, client.get(path).status_code)
"""


def test_the_api_answers_with_only_what_its_image_holds(tmp_path: Path) -> None:
    has, lacks = modules_of_the_api_image()
    assert {"torch", "ray", "sklearn", "safetensors"} <= lacks
    assert {"fastapi", "pulp", "highspy", "psycopg"} <= has
    database = f"sqlite:///{tmp_path / 'grouping.db'}"
    done = run_command(sys.executable, "-c", USE_THE_API, ",".join(sorted(lacks)), database)
    assert done.returncode == 0, done.stderr
    answers = dict(line.split() for line in done.stdout.splitlines() if line.startswith("/"))
    assert len(answers) == 7
    assert set(answers.values()) == {"200"}, (answers, done.stderr)


# The compose file and its papers


def test_the_compose_file_follows_the_compose_schema() -> None:
    done = run_command(
        SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"
    )
    assert done.returncode == 0, done.stdout


def test_every_grouping_command_exists_with_its_options() -> None:
    from grouping.cli.commands import load_commands

    known = dict(load_commands())
    calls = grouping_commands()
    assert {call[1] for call in calls} == {"migrate", "api", "dispatcher", "serve-bundle"}
    for call in calls:
        subcommand = known[call[1]]
        options = {option for parameter in subcommand.params for option in parameter.opts}
        assert {part for part in call if part.startswith("--")} <= options, call


def test_a_call_hidden_in_a_script_is_found() -> None:
    assert ["grouping", "dispatcher", "--ray-address", "auto"] in grouping_commands()


def test_every_setting_of_the_compose_file_is_documented() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    papers = (DEPLOY / "env.example").read_text() + (DEPLOY / "README.md").read_text()
    names = set(re.findall(r"\bGROUPING_[A-Z_]+", compose))
    assert {"GROUPING_DATABASE_URL", "GROUPING_API_TOKEN"} <= names
    assert {name for name in names if name not in papers} == set()


def test_env_example_holds_exactly_the_variables_the_compose_file_reads() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    example = (DEPLOY / "env.example").read_text()
    read = set(re.findall(r"\$\{([A-Z_]+)", compose))
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == read


def test_defaults_in_env_example_are_those_of_the_compose_file() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for name, value in re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / "env.example").read_text(), re.MULTILINE):
        if name not in SECRETS:
            assert set(re.findall(rf"\$\{{{name}:-([^}}]*)\}}", compose)) == {value}, name


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_has_no_default_and_no_value_in_the_repository(secret: str) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    uses = re.findall(rf"\$\{{{secret}(:?.)", compose)
    assert uses
    assert set(uses) == {":?"}
    assert re.search(rf"^{secret}=$", (DEPLOY / "env.example").read_text(), re.MULTILINE)


def test_only_the_api_is_published_and_only_on_loopback_unless_told_otherwise() -> None:
    services = read_compose()["services"]
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "api": ["${API_BIND:-127.0.0.1}:${API_PORT:-8000}:8000"]
    }


def test_every_ray_node_shows_a_token_and_has_room_for_its_object_store() -> None:
    nodes = ("ray-head", "ray-worker", "dispatcher")
    services = read_compose()["services"]
    for name in nodes:
        assert services[name]["environment"]["RAY_AUTH_MODE"] == "token", name
        assert services[name]["shm_size"] == "1gb", name


# The manifests for Kubernetes


def test_every_volume_claim_and_map_that_is_mounted_is_declared() -> None:
    found = read_kuberay()
    cluster = found["RayCluster grouping"]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    pods += [one["spec"]["template"]["spec"] for one in found.values() if one["kind"] == "Deployment"]
    for pod in pods:
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes.keys()
        for volume in volumes.values():
            if claim := volume.get("persistentVolumeClaim"):
                assert f"PersistentVolumeClaim {claim['claimName']}" in found
            if mapped := volume.get("configMap"):
                assert f"ConfigMap {mapped['name']}" in found


def test_the_manifests_say_what_the_compose_file_says() -> None:
    services, pods = read_compose()["services"], containers()
    for name in ("api", "dispatcher"):
        wanted = services[name]["environment"].keys() | {"GROUPING_TRAINERS"}
        assert wanted == variables_of(pods[name]).keys()
    assert pods["dispatcher"]["command"] == services["dispatcher"]["command"]
    assert pods["migrate"]["command"] == services["migrate"]["command"]
    assert read_kuberay()["RayCluster grouping"]["spec"]["rayVersion"] == read_lock()["ray"]


def test_every_secret_of_the_manifests_is_made_by_the_papers() -> None:
    papers = (DEPLOY / "README.md").read_text()
    keys = {"auth_token"}  # which KubeRay reads
    for container in containers().values():
        for value in variables_of(container).values():
            if isinstance(value, dict):
                assert value["secretKeyRef"]["name"] == "grouping"
                keys.add(value["secretKeyRef"]["key"])
    assert keys == set(re.findall(r"--from-literal=(\w+)=", papers))


def test_the_trainers_of_the_manifests_can_be_used_and_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A ConfigMap is mounted as links into a folder that is replaced as a whole.
    (tmp_path / "..1").mkdir()
    (tmp_path / "..data").symlink_to("..1")
    for name, text in read_kuberay()["ConfigMap grouping-trainers"]["data"].items():
        (tmp_path / "..1" / name).write_text(text)
        (tmp_path / name).symlink_to(f"..data/{name}")
    monkeypatch.setenv(TRAINERS_VARIABLE, str(tmp_path / "trainers.toml"))
    discover_trainers.cache_clear()
    try:
        trainer = get_trainer("mine")
        terms = SearchTerms(Candidates.of(["a", "b"]), (1.0,), (0,))
        made = trainer(TrainerJob("any", ("a", "b"), terms))
        shipped = made.runtime_env()
        assert shipped is not None
        assert shipped.working_dir == str(tmp_path)
        (outcome,) = LocalPool().worker(made.setup()).train([TrialRequest(Network.of("a", "b"), 0)])
        assert [score.task for score in outcome.scores] == ["a", "b"], outcome.error
    finally:
        discover_trainers.cache_clear()
