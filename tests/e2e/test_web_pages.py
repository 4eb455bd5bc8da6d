"""The web view in a real browser against a real server process: nothing from elsewhere, live, by keyboard."""

from __future__ import annotations

import re
import time
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from grouping.artefacts.address import Address
from grouping.artefacts.finishing import FinishState
from grouping.artefacts.kept import FinishedGrouping, KeptNetwork, KeptNetworks, LearnedRows
from grouping.domain.jobs.job import Job, StopReason
from grouping.domain.jobs.job import JobState as State
from grouping.domain.trainings.progress import Progress
from grouping.formats import read_table
from grouping.store import Store, TrialReport
from grouping.use_cases.finish import recommended
from tests.e2e.conftest import Site, opened
from tests.integration.conftest import Scenes, formula_table, outcome_of, server
from tests.patience import slowness

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror=alert(1)>"
TABLE_PAGES = ("affinity", "curve?budget_snt=2.5", "networks?budget_snt=2")


def addresses(job: Job) -> tuple[str, ...]:
    return ("/", f"/jobs/{job.id}", *(f"/score-tables/{job.score_table_id}/{kind}" for kind in TABLE_PAGES))


def test_every_page_is_clean_with_markup_in_every_name_shown(browser: Browser, site: Site) -> None:
    job = site.scenes.finished((MARKUP, "b&b", "\"'c", "x" * 100), name=f"{MARKUP} job")
    with opened(browser, site) as page:
        for address in addresses(job):
            page.goto(address)
            page.wait_for_load_state("networkidle")
            assert page.locator("img[src=x]").count() == 0
            assert MARKUP in page.locator("body").inner_text()


def test_a_bundle_that_is_kept_is_downloaded_by_a_click(
    browser: Browser, site: Site, kept: KeptNetworks
) -> None:
    job = site.scenes.finished()
    grouping = recommended(site.scenes.store, job.id, 2.0).grouping
    networks = tuple(
        KeptNetwork(tuple(sorted(n.group)), n.size, n.cost_snt, 0, "0" * 64, 1, (4,), ())
        for n in grouping.networks
    )
    tasks, serving = grouping.tasks, grouping.serving
    finished = FinishedGrouping(job.id, 2.0, LearnedRows.TRAIN, tasks, serving, networks, "0" * 64)
    kept.add(finished, [b"weights"] * len(networks))
    Address(kept.bundle_address(finished)).write("manifest.json", b"{}")
    with opened(browser, site) as page:
        page.goto(f"/jobs/{job.id}")
        offered = page.get_by_role("region", name="Take it home")
        expect(offered).to_contain_text(f"grouping finish {job.id} --budget 1")
        with page.expect_download() as event:
            offered.get_by_role("link", name="Download bundle, 2").click()
        assert event.value.suggested_filename == "four-tasks-2-bundle.zip"
        assert zipfile.ZipFile(event.value.path()).namelist() == ["bundle/manifest.json"]


def test_a_bundle_is_made_by_a_click_and_followed_to_its_end(browser: Browser, site: Site) -> None:
    store, job = site.scenes.store, site.scenes.finished()
    with opened(browser, site) as page:
        page.goto(f"/jobs/{job.id}")
        offered = page.get_by_role("region", name="Take it home")
        offered.get_by_role("button", name="Make bundle, 2").click()
        expect(offered.get_by_role("status")).to_contain_text("waits for a dispatcher")
        expect(offered.get_by_role("button", name="Make bundle, 1")).to_be_visible()
        held = store.claim_finish("one", lease_s=300)
        assert held is not None
        store.renew_finish(held, 3, 8)
        expect(offered.get_by_role("status")).to_contain_text("3 of 8 trainings")
        store.end_finish(held, error="no data")
        expect(offered).to_contain_text("could not be made: no data")
        offered.get_by_role("button", name="Make bundle, 2").click()
        offered.get_by_role("button", name="Cancel").click()
        expect(offered.get_by_role("button", name="Make bundle, 2")).to_be_visible()
    assert store.finishes(job.id)[0].state is FinishState.CANCELLED


def test_pages_can_be_read_without_javascript(browser: Browser, site: Site) -> None:
    job = site.scenes.running()
    site.scenes.train(job, 30)
    with opened(browser, site, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_role("link", name="four tasks").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("four tasks")
        expect(page.get_by_role("button")).to_have_count(0)
        for name, heading in (
            ("Networks", "Networks within"),
            ("Budget curve", "What an"),
            ("Affinity", "Which task"),
        ):
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        page.get_by_role("link", name="Budget curve", exact=True).click()
        page.get_by_role("textbox", name="Inference budget").fill("2.5")
        page.get_by_role("button", name="Solve").click()
        expect(page.get_by_role("heading", name="Within 2.5 SNT")).to_be_visible()


def test_the_page_of_a_training_follows_it_to_its_end(browser: Browser, site: Site) -> None:
    job = site.scenes.running()
    claim, trial = site.scenes.claims[job.id], site.scenes.store.trials(job.id)[0]
    site.scenes.store.start_trial(claim, trial.id)
    lines = "".join(f"epoch {n}\n" for n in range(100))
    site.scenes.store.report_progress(claim, {trial.id: TrialReport((), lines)})
    with opened(browser, site) as page:
        page.goto(f"/jobs/{job.id}/trials/{trial.id}")
        log = page.locator(".log")
        expect(log).to_contain_text("epoch 99")
        log.evaluate("log => { log.scrollTop = log.scrollHeight }")
        points = (Progress(1, {"validation": 0.5}), Progress(2, {"validation": 0.4}))
        site.scenes.store.report_progress(claim, {trial.id: TrialReport(points, "epoch 100\n")})
        expect(log).to_contain_text("epoch 100")
        expect(page.locator(".plot-frame svg")).to_be_visible()
        assert log.evaluate("log => log.scrollTop + log.clientHeight >= log.scrollHeight - 4")
        site.scenes.store.record_outcome(claim, trial.id, outcome_of(trial))
        expect(page.locator(".state")).to_have_text("succeeded")
        expect(page.get_by_role("heading", name="Scores")).to_be_visible()


def test_the_job_page_follows_the_job_and_keeps_focus_and_scroll(browser: Browser, site: Site) -> None:
    job = site.scenes.running()
    site.scenes.train(job, 12)
    with opened(browser, site, viewport={"width": 900, "height": 400}) as page:
        page.goto(f"/jobs/{job.id}")
        expect(page.locator(".big")).to_contain_text("12 of 38")
        link = page.get_by_role("link", name="2 SNT")
        link.focus()
        page.evaluate("window.scrollTo(0, 300)")
        before = page.evaluate("window.scrollY")
        assert before > 0
        site.scenes.train(job, 25)
        expect(page.locator(".big")).to_contain_text("37 of 38")
        expect(link).to_be_focused()
        # What is above may grow by a part of a pixel, which the browser makes up for by whole ones.
        assert abs(page.evaluate("window.scrollY") - before) <= 1
        assert "90 percent" in (page.locator("#announcement").text_content() or "")
        site.scenes.train(job)
        claim = site.scenes.claims[job.id]
        site.scenes.store.enter_state(claim, State.CONFIRMING)
        site.scenes.store.enter_state(claim, State.SUCCEEDED, stop_reason=StopReason.SEARCH_COMPLETE)
        expect(page.locator(".state")).to_have_text("Succeeded")
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_a_job_is_cancelled_and_resumed_from_its_page(browser: Browser, site: Site) -> None:
    job = site.scenes.submitted()
    with opened(browser, site) as page:
        page.add_init_script("window.confirm = () => true")
        page.goto(f"/jobs/{job.id}")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".state")).to_have_text("Cancelled")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".state")).to_have_text("Queued")
    assert site.scenes.store.get_job(job.id).state is State.QUEUED


def test_everything_can_be_reached_by_keyboard(browser: Browser, site: Site) -> None:
    job = site.scenes.finished()
    with opened(browser, site) as page:
        page.goto(f"/score-tables/{job.score_table_id}/affinity?order=input")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "TD":
                break
        page.keyboard.press("ArrowRight")
        expect(page.locator("#cell-note")).to_contain_text("depth helps normals")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Home")
        expect(page.locator("#cell-note")).to_contain_text("normals helps depth")
        page.keyboard.press("End")
        expect(page.locator("#cell-note")).to_contain_text("normals harms scene")


PASTED = """network,size,cost,depth,edges
depth@0.5,0.5,0.5,0.174,
edges@0.5,0.5,0.5,,0.0151
depth,1.0,1.0,0.18,
edges,1.0,1.0,,0.0148
depth+edges,1.0,1.0,0.175,0.0136
"""


@pytest.mark.parametrize("has_script", [True, False])
def test_a_pasted_table_gives_matrix_curve_and_grouping_without_training(
    browser: Browser, site: Site, has_script: bool
) -> None:
    with opened(browser, site, java_script_enabled=has_script) as page:
        page.goto("/")
        page.get_by_role("link", name="Import a score table").click()
        page.get_by_label("Or paste the table").fill(PASTED)
        page.get_by_label("Name", exact=True).fill("two tasks")
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("two tasks")
        expect(page.get_by_text("2 tasks: depth, edges.")).to_be_visible()
        page.get_by_role("link", name="Affinity", exact=True).click()
        expect(page.locator("table.matrix td.help-6")).to_contain_text("+8.1")
        page.get_by_role("link", name="Budget curve", exact=True).click()
        expect(page.locator("svg.plot")).to_be_visible()
        page.get_by_role("textbox", name="Inference budget").fill("1.5")
        page.get_by_role("button", name="Solve", exact=True).click()
        expect(page.get_by_role("heading", name="Within 1.5 SNT")).to_be_visible()
        page.get_by_role("link", name="Which network serves which task").click()
        expect(page.get_by_text("depth@0.5 serves depth.")).to_be_visible()
        page.get_by_text("Demands on the grouping").click()
        page.get_by_label("Never in one network").fill("depth + edges")
        page.get_by_role("button", name="Solve with these demands").click()
        expect(page.locator(".demanded")).to_contain_text("are never trained in the same network")
        expect(page.get_by_text("edges serves edges.")).to_be_visible()
        page.get_by_role("link", name="Scores", exact=True).click()
        page.get_by_text("Delete this score table").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("Nothing has been imported yet.")).to_be_visible()


def test_a_file_is_chosen_and_what_is_wrong_with_it_is_said(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    good, bad = tmp_path / "my table.csv", tmp_path / "bad.csv"
    good.write_text(PASTED)
    bad.write_text(PASTED.replace("0.0151", "little"))
    watched: list[str] = []
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.on("pageerror", lambda error: watched.append(str(error)))
    page.goto("/score-tables/new")
    page.get_by_label("A file", exact=True).set_input_files(bad)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("little")
    page.get_by_label("A file", exact=True).set_input_files(good)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("my table")
    context.close()
    assert watched == []


CONTRAST = """() => {
  const rgb = (text) => {
    const [r, g, b, a] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a ?? 1];
  };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim()) continue;
    if (element.closest(".sr, .skip, title, desc, template, script, [hidden]")) continue;
    const style = getComputedStyle(element);
    const ink = rgb(element.closest("svg") ? style.fill : style.color);
    let ground = null;
    for (let at = element; at && ground === null; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) ground = colour;
    }
    const [a, b] = [light(ink), light(ground ?? [255, 255, 255])];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.className || element.tagName}: ` +
      walker.currentNode.textContent.trim().slice(0, 40));
  }
  return found;
}"""
STRUCTURE = """() => {
  const found = [];
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!field.labels.length) found.push(`no label: ${field.name}`);
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption) found.push("a table without a caption");
    if (table.querySelector("th:not([scope])")) found.push("a header cell without scope");
  }
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) found.push("no alt");
  for (const button of document.querySelectorAll("button, a[href]"))
    if (!button.textContent.trim()) found.push(`no name: ${button.outerHTML}`);
  for (const region of document.querySelectorAll("[role=region], nav"))
    if (!region.ariaLabel) found.push("a region without a name");
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.documentElement.lang || !document.title.trim()) found.push("no language or title");
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push("wider than the window");
  return found;
}"""


@pytest.mark.parametrize(("scheme", "width"), tuple(product(("light", "dark"), (1180, 390))))
def test_pages_are_labelled_and_readable(
    browser: Browser, site: Site, tmp_path: Path, scheme: Any, width: int
) -> None:
    finished = site.scenes.finished()
    running = site.scenes.running(name="running", n_seeds=1)
    site.scenes.train(running, 9, fail=lambda network: network.size == 0.5 and "edges" in network.group)
    info, _ = site.scenes.store.import_table(formula_table(), "imported", report=None)
    site.scenes.store.import_table(read_table(PASTED.encode()).table, "pasted")
    demands = "budget_snt=2&k=3&together=depth%2Bscene"
    paths = [
        *addresses(finished),
        *addresses(running)[1:],
        "/jobs/nothing",
        "/score-tables",
        "/score-tables/new",
        f"/score-tables/{info.id}",
        f"/score-tables/{info.id}/curve?{demands}",
        f"/score-tables/{info.id}/networks?{demands}",
        f"/score-tables/{info.id}/networks?{demands}&apart=depth%2Bscene",
        f"/score-tables/{info.id}/networks?{demands}&forced=nose&ceilings=x&max_networks=y",
    ]
    faults = []
    context = browser.new_context(
        base_url=site.url,
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
    )
    page = context.new_page()
    for number, path in enumerate(paths):
        page.goto(path)
        faults += [f"{path}: {fault}" for fault in (*page.evaluate(CONTRAST), *page.evaluate(STRUCTURE))]
        shot = page.screenshot(path=tmp_path / f"{scheme}-{width}-{number}.png", full_page=True)
        assert len(shot) > 5_000
    context.close()
    assert faults == []


def test_a_browser_gets_in_with_the_token_as_password(
    browser: Browser, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    job = Scenes(store).submitted()
    token = "a token of some length"
    with server(sqlite_url, tmp_path / "server.log", GROUPING_API_TOKEN=token) as (url, _):
        assert httpx.get(url).status_code == 401
        site = Site(url, Scenes(store))
        with opened(browser, site, http_credentials={"username": "me", "password": token}) as page:
            page.goto(f"/jobs/{job.id}")
            page.get_by_role("button", name="Cancel").wait_for()
            Scenes(store).store.request_cancel(job.id)
            expect(page.locator(".state")).to_have_text("Cancelled")


def test_open_streams_do_not_keep_the_server_from_stopping(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    job = Scenes(store).submitted()
    with server(sqlite_url, tmp_path / "server.log") as (url, process):
        address = f"{url}/v1/jobs/{job.id}/events"
        with httpx.stream("GET", address, headers={"Accept": "text/event-stream"}, timeout=None) as answer:
            lines = answer.iter_lines()
            assert re.match("retry: ", next(lines))
            asked = time.monotonic()
            process.terminate()
            for _ in lines:
                pass
            process.wait()
        assert time.monotonic() - asked < 3 * slowness()
