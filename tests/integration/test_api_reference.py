"""The pages of the API reference: complete, valid, and with commands that can be sent."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from grouping.store import Store
from grouping_api.main import create_app, openapi_document
from grouping_api.settings import Settings
from grouping_api.web.reference_view import bounds_of, example_of, find_operation, kind_of, operations_by_tag
from tests.integration.conftest import Api
from tests.integration.test_api_web import page


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


@pytest.fixture
def api(api: Api, document: dict[str, Any]) -> Api:
    """The API, which has made its description before: that takes a second."""
    api.app.openapi_schema = document
    return api


def operation_ids(document: dict[str, Any]) -> Iterator[str]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield operation["operationId"]


def test_the_list_has_every_request_once_with_its_scope(api: Api, document: dict[str, Any]) -> None:
    text = page(api, "/reference")
    for operation_id in operation_ids(document):
        assert text.count(f'"/reference/{operation_id}"') == 1
    assert re.search(r"DELETE</b> /v1/jobs/\{job_id\}</code></dt><dd>[^\n]*>admin<", text)
    assert "`" not in text
    assert "state_conflict" in text, "the codes of errors are listed"
    assert 'href="/reference"' in page(api, "/"), "every page leads to it"


def test_every_request_has_a_page_whose_links_lead_somewhere(api: Api, document: dict[str, Any]) -> None:
    for operation_id in operation_ids(document):
        text = page(api, f"/reference/{operation_id}")
        assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text)), (
            operation_id
        )


def test_the_page_of_a_request_shows_fields_bounds_answers_and_errors(api: Api) -> None:
    text = page(api, "/reference/createJob")
    for shown in (
        "budgets_snt",
        "by name: ",
        "SizeIn",
        "at most 50 items",
        "each above 0",
        "Location",
        "422",
    ):
        assert shown in text
    assert "Header <code>Location</code>" in text
    assert "scope <strong>submit</strong>" in text
    assert "There is no request" in page(api, "/reference/createJobs", 404)


def test_examples_are_what_their_schemas_allow(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        whole = {**schema, "components": document["components"]}
        example = example_of(schema, schemas)
        faults = [fault.message for fault in Draft202012Validator(whole).iter_errors(example)]
        assert faults == [], f"{name}: {example}"


def test_the_command_of_a_page_can_be_sent(api: Api) -> None:
    text = page(api, "/reference/createJob")
    found = re.search(r"aria-label=\"Command that sends the request\"><code>(.*?)</code>", text, re.DOTALL)
    assert found is not None
    words = shlex.split(unescape(found.group(1)).replace("\\\n", ""))
    assert words[:3] == ["curl", "-X", "POST"]
    header, body, address = words[4], words[6], words[7]
    name, _, value = header.partition(": ")
    answer = api.post(address, content=body, headers={name: value})
    assert (answer.status_code, answer.json()["spec"]["problem"]) == (202, "digits")


def test_commands_carry_the_token_where_one_is_asked_for_and_what_must_be_given(
    store: Store, document: dict[str, Any]
) -> None:
    locked = Api(create_app(Settings.model_validate({"api_token": "x" * 20}), store))
    locked.app.openapi_schema = document
    assert locked.get("/reference").status_code == 401
    headers = {"Authorization": f"Bearer {'x' * 20}", "Accept": "text/html", "X-Forwarded-Prefix": "/ml"}
    text = locked.get("/reference/compareTwoJobs", headers=headers).text
    assert "Bearer $GROUPING_API_TOKEN" in unescape(text)
    assert "http://127.0.0.1:8000/ml/v1/jobs/compare?a=A&b=B" in unescape(text)
    open_to_all = find_operation(document, "getHealth")
    assert open_to_all is not None
    assert open_to_all.curl("http://x", with_token=True) == "curl \\\n  http://x/healthz"


def test_kinds_and_bounds_are_said_in_words() -> None:
    schema = {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/T"}}, {"type": "null"}]}
    assert "".join(piece.text for piece in kind_of(schema)) == "list of T or null"
    assert bounds_of({"type": "integer", "minimum": 1, "maximum": 9000}) == "at least 1, at most 9,000"
    assert bounds_of({"type": "string"}) == ""


def test_a_type_that_contains_itself_has_an_example_with_an_end() -> None:
    named = {
        "Tree": {
            "type": "object",
            "properties": {"below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
            "required": ["below"],
        }
    }
    assert len(json.dumps(example_of(named["Tree"], named))) < 500


def test_every_tag_that_is_used_is_described(document: dict[str, Any]) -> None:
    assert [*operations_by_tag(document)] == [tag["name"] for tag in document["tags"]]
