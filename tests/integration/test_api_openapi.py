"""The description of the API: committed, complete, and made without heavy imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from grouping.wire.requests import EXAMPLE, JobRequest
from grouping_api.main import openapi_document

COMMITTED = Path(__file__).parents[2] / "api" / "openapi.json"


def test_the_committed_description_is_the_one_of_the_program() -> None:
    assert json.loads(COMMITTED.read_text()) == openapi_document(), "run: make openapi"


def test_every_operation_has_a_camel_case_id_and_words() -> None:
    seen = set()
    for operations in openapi_document()["paths"].values():
        for operation in operations.values():
            assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", operation["operationId"])
            assert operation["summary"]
            assert operation["description"]
            seen.add(operation["operationId"])
    assert "createJob" in seen
    assert len(seen) == sum(len(operations) for operations in openapi_document()["paths"].values())


def test_errors_are_described_as_problem_documents() -> None:
    document = openapi_document()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    refused = document["paths"]["/v1/jobs"]["post"]["responses"]["422"]["content"]
    assert list(refused) == ["application/problem+json"]


def test_every_reference_of_the_description_leads_somewhere() -> None:
    text = json.dumps(openapi_document())
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named <= set(openapi_document()["components"]["schemas"])


def test_the_example_is_a_valid_request() -> None:
    JobRequest.model_validate(EXAMPLE)


def test_the_api_process_imports_neither_torch_nor_ray_nor_scikit_learn() -> None:
    code = (
        "import sys; from grouping_api.main import openapi_document; openapi_document();"
        "sys.exit(' '.join(m for m in ('torch', 'ray', 'sklearn') if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
