"""The wire between service and programs: what one says, the other reads; nothing heavy in between."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from grouping.client import Client, ServiceError
from grouping.domain.constraints import Constraints
from grouping.domain.networks import Network
from grouping.errors import StoreUnavailableError
from grouping.wire.base_types import Finite, Group, Input, NetworkLabel, Output, Rows
from grouping.wire.catalogue import ProblemList, RecipeMethods
from grouping.wire.constraints import ConstraintsIn
from grouping.wire.estimates import EstimateOut
from grouping.wire.graph import AffinityGraphOut
from grouping.wire.groupings import CurveOut, RecommendationList
from grouping.wire.jobs import JobOut, JobPage, ProgressOut, TrialList
from grouping.wire.ledgers import JobLedgerOut
from grouping.wire.rank_checks import RankCheckOut
from grouping.wire.scores import AffinityOut, ScoresOut, ScoreTableOut
from grouping.wire.stored_groupings import ExplanationOut, GroupingComparison, GroupingPage, StoredGroupingOut
from tests.integration.conftest import Api, Scenes


class _Numbers(Output):
    value: Finite


class _Asked(Input):
    value: float


class _Named(Output):
    name: NetworkLabel
    group: Group


def test_every_constraint_can_be_asked_for() -> None:
    assert list(ConstraintsIn.model_fields) == [field.name for field in fields(Constraints)]
    assert ConstraintsIn().to_domain() == Constraints()


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_that_is_not_finite_is_null_in_answers_and_refused_in_requests(value: float) -> None:
    said = _Numbers(value=value)
    assert said.value == (value if math.isfinite(value) else None)
    assert json.loads(said.model_dump_json()) == {"value": value if math.isfinite(value) else None}
    if math.isfinite(value):
        assert _Asked(value=value).value == value
    else:
        with pytest.raises(ValidationError, match="finite"):
            _Asked(value=value)


@given(st.permutations(["a", "b", "c", "d"]), st.sets(st.sampled_from(["a", "b", "c", "d"]), min_size=1))
def test_a_network_is_named_in_the_order_of_the_tasks(order: list[str], group: set[str]) -> None:
    network = Network(frozenset(group), 0.5, 0.5)
    said = _Named.read(name=network, group=network.group, tasks=order)
    assert said.group == [task for task in order if task in group]
    assert said.name == f"{'+'.join(said.group)}@0.5"


def test_what_an_answer_cannot_find_is_an_error_and_never_left_out() -> None:
    with pytest.raises(ValidationError, match="value"):
        _Numbers.read(object())


def test_every_answer_of_the_api_is_read_by_the_types_of_the_client(api: Api, scenes: Scenes) -> None:
    job = scenes.finished()
    table = f"/v1/score-tables/{job.score_table_id}"
    kept = api.post(f"{table}/groupings", json={"budget_snt": 2, "k": 3}).json()
    answers: dict[str, type[BaseModel]] = {
        "/v1/jobs": JobPage,
        f"/v1/jobs/{job.id}": JobOut,
        f"/v1/jobs/{job.id}/progress": ProgressOut,
        f"/v1/jobs/{job.id}/ledger": JobLedgerOut,
        f"/v1/jobs/{job.id}/trials": TrialList,
        f"/v1/jobs/{job.id}/recommendations": RecommendationList,
        table: ScoreTableOut,
        f"{table}/scores": ScoresOut,
        f"{table}/affinity": AffinityOut,
        f"{table}/graph": AffinityGraphOut,
        f"/v1/jobs/{job.id}/rank-check": RankCheckOut,
        "/v1/problems": ProblemList,
        "/v1/recipes": RecipeMethods,
        f"/v1/groupings/compare?a={kept['id']}&b={kept['id']}": GroupingComparison,
        f"{table}/curve": CurveOut,
        f"{table}/groupings": GroupingPage,
        f"/v1/groupings/{kept['id']}": StoredGroupingOut,
        f"/v1/groupings/{kept['id']}/explanation": ExplanationOut,
    }
    for path, kind in answers.items():
        body = api.get(path).content
        read = kind.model_validate_json(body)
        assert read.model_dump(mode="json") == json.loads(body), path
    priced = api.post("/v1/jobs/estimate", json={"problem": "digits"}).content
    assert EstimateOut.model_validate_json(priced).model_dump(mode="json") == json.loads(priced)


def test_the_client_passes_over_what_a_newer_service_adds_and_says_what_it_does_not_know() -> None:
    for body, kind in ((b'{"value": 1, "newer": {}}', None), (b'{"other": 1}', ServiceError)):
        with answering(body) as address, Client(address) as client:
            if kind is None:
                assert client.read(_Numbers, "GET", "/").value == 1
            else:
                with pytest.raises(kind, match="not the one that this version") as caught:
                    client.read(_Numbers, "GET", "/")
                assert caught.value.code == "unknown_answer"
    with pytest.raises(StoreUnavailableError):
        Client("http://127.0.0.1:9").jobs()


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server on loopback that answers one thing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_matrix_on_the_wire_is_made_of_lists() -> None:
    class Matrix(Output):
        values: Rows

    import numpy as np

    assert Matrix(values=np.array([[math.nan, 1.0], [2.0, math.inf]])).values == [[None, 1.0], [2.0, None]]  # type: ignore[arg-type]


def test_the_client_loads_nothing_of_service_or_training() -> None:
    heavy = ("fastapi", "sqlalchemy", "torch", "ray", "sklearn")
    code = (
        "import sys, grouping.client, grouping.wire.catalogue, grouping.wire.studies, grouping.wire.local;"
        f"sys.exit(' '.join(m for m in {heavy} if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
