"""Pages at five long names, at 27 and at 60 tasks: what is seen at once, their height and length, and axe.

Each page is opened at two widths, in both schemes, those of many tasks at each width in one. The screenshots
are for people: with ``pytest tests/e2e/test_real_sizes.py --basetemp shots`` they are kept in ``shots``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Site, opened
from tests.e2e.test_graph_page import many_tasks
from tests.e2e.test_web_pages import STRUCTURE
from tests.integration.conftest import formula_table

pytestmark = pytest.mark.slow

LONG = ("segment_semantic", "principal_curvature", "depth_zbuffer", "edge_occlusion", "reshading")
WIDTHS = (1400, 390)
LOOKS = tuple(product(("light", "dark"), WIDTHS))
HIGHEST = {1400: 4_000, 390: 7_500}
"""Most pixels that a page may be high, by the width of the window."""
LONGEST_BYTES = 300_000
"""Most bytes of the HTML of a page."""

SEEN = """selector => [...document.querySelectorAll(selector)].filter((element) => {
  const box = element.getBoundingClientRect();
  const frame = element.closest(".scroll")?.getBoundingClientRect() ?? document.body.getBoundingClientRect();
  return box.width > 1 && box.left >= frame.left - 1 && box.right <= frame.right + 1;
}).length"""
"""Number of elements that are not cut off at a side, nor hidden for the eye."""


def faults_of(page: Page) -> list[str]:
    """What axe finds, and the checks of structure that every page passes."""
    found = [
        f"axe: {fault['id']}: {fault['nodes'][0]['html'][:120]}"
        for fault in Axe().run(page).response["violations"]
    ]
    return [*found, *page.evaluate(STRUCTURE)]


def check(
    browser: Browser,
    site: Site,
    tmp_path: Path,
    paths: dict[str, str],
    looks: Sequence[tuple[str, int]] = LOOKS,
) -> None:
    """Open pages at every look, and fail with all that is wrong with any of them."""
    faults = []
    for scheme, width in looks:
        look: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
        with opened(browser, site, reduced_motion="reduce", **look) as page:
            for name, path in paths.items():
                answer = page.goto(path)
                assert answer is not None
                where = f"{name} {width} {scheme}"
                if (n_bytes := len(answer.body())) > LONGEST_BYTES:
                    faults.append(f"{where}: {n_bytes} bytes")
                faults += [f"{where}: {fault}" for fault in faults_of(page)]
                height = page.evaluate("document.documentElement.scrollHeight")
                if height > HIGHEST[width]:
                    faults.append(f"{where}: {height} px high")
                page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
    assert not faults, "\n".join(faults)


def pages_of(table_id: str) -> dict[str, str]:
    address = f"/score-tables/{table_id}"
    return {"scores": address, **{k: f"{address}/{k}" for k in ("networks", "curve", "affinity", "graph")}}


def test_pages_of_five_long_names(browser: Browser, site: Site, tmp_path: Path) -> None:
    info, _ = site.scenes.store.import_table(formula_table(LONG), "five long names")
    finished = site.scenes.finished(LONG, name="finished")
    running = site.scenes.running(LONG, name="running")
    site.scenes.train(running, 40)
    queued = site.scenes.submitted(LONG, name="queued")
    paths = {job.spec.name: f"/jobs/{job.id}" for job in (finished, running, queued)}
    paths["trainings"] = f"/jobs/{finished.id}/trials"
    lists = {"jobs": "/", "tables": "/score-tables", "new": "/jobs/new", "import": "/score-tables/new"}
    check(browser, site, tmp_path, {**pages_of(info.id), **paths, **lists})


@pytest.mark.parametrize("n_tasks", [27, 60])
def test_pages_of_many_tasks(browser: Browser, site: Site, tmp_path: Path, n_tasks: int) -> None:
    table = many_tasks(n_tasks)
    info, _ = site.scenes.store.import_table(table, f"{n_tasks} tasks")
    asked: dict[str, Any] = {"n_seeds": 1, "max_group_size": 2, "budgets_snt": (n_tasks / 2, n_tasks - 2.0)}
    if n_tasks == 27:
        job = site.scenes.finished(table.task_names, n_confirmation_seeds=2, **asked)
    else:
        job = site.scenes.running(table.task_names, **asked)
        site.scenes.train(job, 700)
    jobs = {"job": f"/jobs/{job.id}", "trainings": f"/jobs/{job.id}/trials"}
    check(browser, site, tmp_path, {**pages_of(info.id), **jobs}, LOOKS[:1] + LOOKS[-1:])


def test_the_reference_of_the_api_has_no_faults_and_fits_the_window(browser: Browser, site: Site) -> None:
    for scheme, width in (("light", 390), ("dark", 1400)):
        look: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
        with opened(browser, site, **look) as page:
            page.goto("/")
            page.get_by_role("contentinfo").get_by_role("link", name="API").click()
            assert faults_of(page) == []
            page.get_by_role("link", name="Import a score table").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Import a score table")
            page.get_by_role("link", name="InlineTable", exact=True).first.click()
            expect(page.locator("#type-InlineTable")).to_be_in_viewport()
            assert faults_of(page) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_loss_is_seen_at_five_long_names(browser: Browser, site: Site, width: int) -> None:
    info, _ = site.scenes.store.import_table(formula_table(LONG), "")
    with opened(browser, site, viewport={"width": width, "height": 900}) as page:
        page.goto(f"/score-tables/{info.id}")
        losses = (
            page.locator(".scores td.number:not(:empty)").count() - page.locator(".scores tbody tr").count()
        )
        assert losses == 5 + 5 * 2**4  # half-size ones, and every group with a task
        seen = page.evaluate(SEEN, ".scores td.number:nth-child(n+3):not(:empty)")
        assert seen == losses
        page.goto(f"/score-tables/{info.id}/affinity")
        assert page.evaluate(SEEN, ".matrix tbody td") == 25


@pytest.mark.parametrize(("n_tasks", "width", "columns", "has_numbers"), [
    (27, 1400, 27, True),
    (27, 390, 27, False),
    (60, 1400, 60, False),
])  # fmt: skip
def test_the_whole_matrix_is_seen(
    browser: Browser, site: Site, n_tasks: int, width: int, columns: int, has_numbers: bool
) -> None:
    info, _ = site.scenes.store.import_table(many_tasks(n_tasks), "")
    with opened(browser, site, viewport={"width": width, "height": 900}) as page:
        page.goto(f"/score-tables/{info.id}/affinity")
        assert page.evaluate(SEEN, ".matrix tbody tr:first-child td") == columns
        assert (page.evaluate(SEEN, ".matrix tbody .value") > 0) == has_numbers
        page.locator(".matrix tbody td:not(.self)").nth(5).hover()
        expect(page.locator("#cell-note")).to_contain_text("attribute number")


def test_a_slider_runs_over_the_budgets_of_a_curve(browser: Browser, site: Site) -> None:
    info, _ = site.scenes.store.import_table(many_tasks(27), "")
    with opened(browser, site) as page:
        page.goto(f"/score-tables/{info.id}/curve")
        slider = page.get_by_role("slider", name="Budget")
        expect(page.locator("#slider-said")).to_contain_text("SNT: loss")
        slider.focus()
        before = slider.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-part=answer]")).to_contain_text("Within")
        expect(slider).to_be_focused()
        assert slider.get_attribute("aria-valuetext") != before
        budget = page.get_by_role("textbox", name="Inference budget").input_value()
        assert f"budget_snt={budget}" in page.url
        expect(page.locator(".plot > circle.chosen")).to_have_count(1)
        expect(page.locator("#points tr.here")).to_contain_text(f"{budget}\u00a0SNT")


def test_a_slider_runs_over_the_budgets_of_the_networks(browser: Browser, site: Site) -> None:
    info, _ = site.scenes.store.import_table(many_tasks(27), "")
    with opened(browser, site) as page:
        page.goto(f"/score-tables/{info.id}/networks")
        page.get_by_role("slider", name="Budget").focus()
        page.keyboard.press("End")
        expect(page.get_by_role("heading", level=1)).to_have_text("Networks within 27 SNT")
        expect(page.get_by_role("navigation", name="Budgets").get_by_role("link")).to_have_count(3)
        expect(page.locator(".lanes .serves")).to_have_count(27)


def test_the_page_of_a_job_answers_at_a_glance(browser: Browser, site: Site) -> None:
    job = site.scenes.finished(LONG, name="finished")
    with opened(browser, site, viewport={"width": 400, "height": 900}) as page:
        page.goto(f"/jobs/{job.id}")
        expect(page.locator(".verdict")).to_contain_text("worth it")
        expect(page.locator(".gain strong").first).to_contain_text("%")
        for budget in ("1", "2", "3"):
            page.get_by_role("navigation", name="Budgets").get_by_role("link", name=budget).click()
            expect(page.locator("#glance")).to_contain_text(f"within {budget}\u00a0SNT")
            assert page.evaluate(SEEN, ".lanes .serves") == 5
