"""The pages of imported tables and of solves under demands, without a browser."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.errors import DeadlineExceededError
from grouping.store import Store
from grouping_api.web.demands_form import DemandFields, read_form
from tests.integration.conftest import NAMES, Api, formula_table
from tests.integration.test_api_groupings import latency_table
from tests.integration.test_api_hostile import check_problem
from tests.integration.test_api_imports import SMALL
from tests.integration.test_api_web import MARKUP, page
from tests.tables import make_table, random_table

HTML = {"Accept": "text/html"}


@pytest.fixture
def table_id(store: Store) -> str:
    return store.import_table(formula_table(), "by a formula")[0].id


def shown(api: Api, path: str, **query: str) -> str:
    """Text of a page without its markup."""
    text = page(api, f"{path}?{urlencode(query)}")
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", text)))


def paste(api: Api, **fields: str) -> Any:
    return api.post("/score-tables", data=fields, files={"file": ("", b"")}, headers=HTML)


def test_the_import_form_leads_to_the_tables_page(api: Api) -> None:
    assert 'href="/score-tables/new"' in page(api, "/")
    assert 'enctype="multipart/form-data"' in page(api, "/score-tables/new")
    answer = paste(api, text=SMALL.decode(), name="pasted", values="losses", format="", tasks="")
    assert answer.status_code == 303, answer.text
    text = shown(api, answer.headers["location"])
    assert all(
        sentence in text
        for sentence in api.get(f"/v1{answer.headers['location']}").json()["report"]["sentences"]
    )
    assert "the values are losses (lower is better)" in text
    assert "pasted" in shown(api, "/score-tables")
    for kind in ("affinity", "curve", "networks", "networks?budget_snt=1"):
        page(api, f"{answer.headers['location']}/{kind}")


def test_a_form_that_holds_no_table_is_shown_again_with_what_was_sent(api: Api, store: Store) -> None:
    answer = paste(api, text="depth,edges\n<b>,2", name="mine", values="gains", tasks="")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "&lt;b&gt;,2</textarea>" in answer.text
    assert 'value="mine"' in answer.text
    assert '<option value="gains" selected>' in answer.text
    assert len(store.list_tables()) == 0
    for fields in (
        {},
        {"text": SMALL.decode(), "values": "scores"},
        {"text": SMALL.decode(), "name": "a\u202eb"},
    ):
        assert paste(api, **fields).status_code == 422
    assert len(store.list_tables()) == 0


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_forms_of_other_sites_are_refused(
    api: Api, store: Store, table_id: str, headers: dict[str, str]
) -> None:
    for path in ("/score-tables", f"/score-tables/{table_id}/delete"):
        answer = api.post(path, files={"file": ("a.csv", SMALL)}, headers=headers)
        check_problem(answer, 403)
    assert [info.id for info in store.list_tables()] == [table_id]


def test_a_table_is_deleted_from_its_page(api: Api, store: Store, table_id: str) -> None:
    assert f'action="/score-tables/{table_id}/delete"' in page(api, f"/score-tables/{table_id}")
    assert api.post(f"/score-tables/{table_id}/delete").headers["location"] == "/score-tables"
    assert len(store.list_tables()) == 0
    page(api, f"/score-tables/{table_id}", 404)


def test_kept_groupings_stand_on_the_tables_page(api: Api, table_id: str) -> None:
    kept = api.post(f"/v1/score-tables/{table_id}/groupings", json={"budget_snt": 2}).json()
    text = page(api, f"/score-tables/{table_id}")
    assert f"/v1/groupings/{kept['id']}/export?format=svg" in text


def test_markup_in_an_imported_table_is_shown_and_not_obeyed(api: Api) -> None:
    content = SMALL.decode().replace("depth", MARKUP)
    answer = paste(api, text=content, name=MARKUP)
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"]
    demanded = urlencode({"ceilings": f"{MARKUP}: 9", "forced": MARKUP + "@0.5", "budget_snt": "2"})
    for path in (
        address,
        "/score-tables",
        *(f"{address}/{kind}?{demanded}" for kind in ("curve", "networks")),
    ):
        text = page(api, path)
        assert MARKUP not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text


# --- demands


DEMANDS: dict[str, tuple[dict[str, str], str]] = {
    "together": ({"together": "depth + scene"}, "depth and scene are served by the same network"),
    "together with a comma": ({"together": "depth, scene"}, "depth and scene are served by the same network"),
    "apart": ({"apart": "depth+normals\r\n\r\nedges+scene"}, "edges and scene are never trained in the same"),
    "most networks": ({"max_networks": "1"}, "at most 1 networks"),
    "most tasks": ({"max_group_size": "2"}, "at most 2 tasks in a network"),
    "disjoint": ({"is_partition": "on"}, "every task is trained in one network only"),
    "a ceiling": ({"ceilings": "depth: 0,5"}, "the loss of depth is at most 0.5"),
    "a relative ceiling": ({"ceilings": "depth: 1.05 x alone"}, "at most 1.05 times its loss alone"),
    "forced": ({"forced": "depth + scene"}, "network depth+scene is chosen"),
    "forbidden": ({"forbidden": "edges@0.5"}, "network edges@0.5 is not chosen"),
    "weights": ({"weights": "depth: 2\nscene: 3"}, "scene has the weight 3"),
    "relative": ({"objective": "relative"}, "losses count relative to each task alone"),
}


@pytest.mark.parametrize("name", DEMANDS)
@pytest.mark.parametrize("kind", ["curve", "networks"])
def test_demands_are_taken_said_and_kept_in_the_links(api: Api, table_id: str, name: str, kind: str) -> None:
    fields, sentence = DEMANDS[name]
    address = f"/score-tables/{table_id}/{kind}"
    text = shown(api, address, budget_snt="2.5", **fields)
    assert "Demanded:" in text
    assert sentence in text
    links = re.findall(r'href="([^"]*budget_snt=3[^"]*)"', page(api, f"{address}?{urlencode(fields)}"))
    assert links
    assert all(urlencode(fields) in html.unescape(link) for link in links)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"together": "depth+nose"}, "together"),
        ({"apart": "depth"}, "apart"),
        ({"max_networks": "many"}, "max_networks"),
        ({"max_group_size": "0"}, "max_group_size"),
        ({"ceilings": "depth"}, "ceilings"),
        ({"ceilings": "nose: 1 alone"}, "ceilings"),
        ({"weights": "depth: -1"}, "weights"),
        ({"weights": "nose: 1"}, "weights"),
        ({"forced": "depth@big"}, "forced"),
        ({"forced": "depth@0.25"}, "forced"),
        ({"forbidden": "depth+"}, "forbidden"),
        ({"objective": "best"}, "objective"),
        ({"k": "lots"}, "k"),
    ],
)
def test_a_demand_that_makes_no_sense_is_said_at_its_field(
    api: Api, table_id: str, fields: dict[str, str], name: str
) -> None:
    text = page(api, f"/score-tables/{table_id}/networks?{urlencode(fields)}", 422)
    assert f'aria-describedby="{name}-fault"' in text
    assert f'id="{name}-fault"' in text
    assert '<details class="panel" open>' in text
    if name != "objective":
        assert next(iter(fields.values())) in html.unescape(text)


def test_demands_that_conflict_are_named(api: Api, table_id: str) -> None:
    text = shown(
        api,
        f"/score-tables/{table_id}/networks",
        together="depth+scene",
        apart="depth+scene",
        max_networks="2",
    )
    assert "These demands cannot be met together" in text
    assert "depth and scene are never trained in the same network" in text
    assert "at most 2 networks Giving" not in text
    curve = shown(api, f"/score-tables/{table_id}/curve", together="depth+scene", apart="depth+scene")
    assert "cannot be met together" in curve


def test_the_best_groupings_are_listed_when_asked_for(api: Api, table_id: str) -> None:
    address = f"/score-tables/{table_id}/networks"
    text = page(api, f"{address}?budget_snt=2")
    link = html.unescape(re.findall(r'href="(\?[^"]*k=5)#best"', text)[0])
    assert "The 5 best groupings" in shown(api, address, **dict(p.split("=") for p in link[1:].split("&")))


def test_the_networks_are_explained(api: Api, table_id: str) -> None:
    text = shown(api, f"/score-tables/{table_id}/networks", budget_snt="2", apart="depth+normals")
    assert "Why these networks" in text
    assert "Without the demand that depth and normals are never trained in the same network" in text
    assert "depth: is served by" in text


def test_the_choice_is_tried_against_noise_when_asked_for(api: Api, table_id: str, store: Store) -> None:
    address = f"/score-tables/{table_id}/networks"
    assert "confidence=on#sure" in page(api, f"{address}?budget_snt=2")
    text = shown(api, address, budget_snt="2", confidence="on")
    assert re.search(r"stays the best as it stands ?[\d.]+\s%", text)
    assert re.search("draws of the scores ?200", text)
    info, _ = store.import_table(formula_table(n_seeds=1), "one seed")
    text = page(api, f"/score-tables/{info.id}/networks?budget_snt=2&confidence=on")
    assert 'aria-describedby="noise-fault"' in text
    link = html.unescape(re.findall(r'href="(\?[^"]*noise=0.01)#sure"', text)[0])
    assert "stays the best" in page(api, f"/score-tables/{info.id}/networks{link}")
    text = page(api, f"/score-tables/{info.id}/networks?confidence=on&noise=lots", 422)
    assert 'aria-describedby="noise-fault"' in text


def test_the_curve_marks_dominated_budgets_and_shows_random_groupings(api: Api, table_id: str) -> None:
    text = shown(api, f"/score-tables/{table_id}/curve", max_networks="1")
    assert "dominated" in text
    assert "Random, mean" in text
    assert "random groupings within the same budget" in shown(api, f"/score-tables/{table_id}/networks")


def test_a_budget_counts_in_another_cost(api: Api, store: Store) -> None:
    info, _ = store.import_table(latency_table(), "")
    text = shown(api, f"/score-tables/{info.id}/networks", cost="latency_ms", budget_snt="11")
    assert "Networks within 11 latency_ms" in text
    curve = shown(api, f"/score-tables/{info.id}/curve", cost="latency_ms", limits="latency_ms: 12")
    assert "7 latency_ms" in curve
    assert "11 latency_ms" in curve
    assert "latency_ms is at most 12 in total" in curve


def test_a_table_without_singles_can_be_shown_and_refuses_what_needs_them(api: Api) -> None:
    answer = paste(api, text="network,size,cost,a,b\na+b,1,1,0.5,0.6\n", name="")
    address = answer.headers["location"]
    page(api, f"{address}/networks")
    text = page(api, f"{address}/curve?objective=relative", 422)
    assert 'id="objective-fault"' in text


def losses_of_first_task(text: str) -> list[float]:
    """Losses of the first task on a page of scores, in the order of its rows."""
    rows = [re.findall(r'<td class="number[^>]*>([\d.]*)</td>', row) for row in text.split("<tr>")]
    return [float(row[1]) for row in rows if len(row) > 1 and row[1]]


def test_a_large_table_is_shown_in_pages(api: Api, store: Store) -> None:
    info, _ = store.import_table(random_table(1, n_tasks=7), "")
    address = f"/score-tables/{info.id}"
    assert "1 to 50 of 134 networks" in shown(api, address)
    assert "101 to 134 of 134 networks" in shown(api, address, page="3")
    first, last = page(api, address), page(api, f"{address}?page=3")
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="prev"' not in first
    assert 'rel="prev" href="?page=2"' in last
    assert 'rel="next"' not in last
    assert 'rel="prev" href="?page=1"' in page(api, f"{address}?page=2")
    assert "No network is on this page" in shown(api, address, page="4")


def test_scores_are_searched_by_parts_of_the_names_of_tasks(api: Api, table_id: str) -> None:
    address = f"/score-tables/{table_id}"
    found = shown(api, address, q="DEP + norm")
    assert "1 to 4 of 4 networks found among 19" in found
    assert found.count("●●") >= 4
    assert "No network has tasks with these words in their names" in shown(api, address, q="nose")


def test_scores_are_sorted_by_cost_number_of_tasks_and_each_loss(api: Api, table_id: str) -> None:
    address = f"/score-tables/{table_id}"
    query = {"sort": "loss of depth", "q": "depth"}
    losses = losses_of_first_task(page(api, f"{address}?{urlencode(query)}"))
    assert losses == sorted(losses)
    assert len(losses) == 9
    assert losses_of_first_task(page(api, f"{address}?{urlencode({**query, 'down': 'yes'})}")) == losses[::-1]
    text = page(api, f"{address}?{urlencode({'sort': 'tasks', 'down': 'yes'})}")
    dots = re.findall(r'class="dots" aria-hidden="true">([●○]+)<', text)
    assert [row.count("●") for row in dots] == sorted((row.count("●") for row in dots), reverse=True)
    assert 'aria-sort="descending"' in text
    assert "Known:" in page(api, f"{address}?sort=nose", 422)


def test_a_loss_is_coloured_by_how_it_compares_with_the_task_alone(api: Api, table_id: str) -> None:
    text = page(api, f"/score-tables/{table_id}?q=depth+normals")
    assert re.search(r'class="number help-\d" title="normals: [\d.]+ % lower than alone"', text)
    assert re.search(r'class="number harm-\d" title="depth: [\d.]+ % higher than alone"', text)


def test_lists_of_hundreds_of_tasks_say_where_the_rest_is(api: Api, store: Store) -> None:
    names = tuple(f"task {n}" for n in range(301))
    singles = tuple(Network(frozenset({name})) for name in names)
    losses = np.where(np.eye(len(names), dtype=bool), 1.0, np.nan)
    info, _ = store.import_table(make_table(singles, tuple(map(Task, names)), losses), "")
    text = shown(api, f"/score-tables/{info.id}/networks", budget_snt="301")
    assert "The first 20 of 301 networks; the files above hold all." in text
    assert "The first 20 of 301 tasks; the API gives the reasons of all." in text


def test_names_with_commas_are_told_from_lists() -> None:
    fields = DemandFields(apart="a+a, b\na, c", forced="a, b@0.5\na, c")
    found = read_form(fields, ("a", "c", "a, b")).demands
    assert found is not None
    assert found.constraints.apart == [["a", "a, b"], ["a", "c"]]
    assert found.constraints.forced == ["a, b@0.5", "a+c"]


def test_fields_come_back_from_their_query() -> None:
    fields = DemandFields(together="a+b\nc+d", budget_snt="2.5", is_partition="on")
    assert fields.query(budget_snt="3") == "budget_snt=3&together=a%2Bb%0Ac%2Bd&is_partition=on"


def test_the_fields_of_every_page_hold_the_names_of_the_tasks(api: Api, table_id: str) -> None:
    text = shown(api, f"/score-tables/{table_id}")
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("kind", ["", "/networks", "/curve", "/affinity", "/graph"])
def test_a_page_begins_before_the_scores_are_read_and_says_what_became_of_them(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    info, _ = store.import_table(random_table(1), "four tasks")

    def too_late(*_given: Any, **_options: Any) -> Any:
        raise DeadlineExceededError(30.0)

    with monkeypatch.context() as busy:
        busy.setattr(type(store), "score_table", too_late)
        text = page(api, f"/score-tables/{info.id}{kind}")
    assert "Reading the losses of 4 tasks" in text
    assert "This was not solved within 30 s" in text
    assert "Ask again</a>" in text
    assert "Ask again</a>" not in page(api, f"/score-tables/{info.id}{kind}")
