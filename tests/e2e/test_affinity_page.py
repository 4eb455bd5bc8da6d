"""The affinity page in a real browser: the switch of methods, warnings, and cells read by keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Site, opened
from tests.e2e.test_web_pages import CONTRAST, STRUCTURE
from tests.integration.test_api_affinity import measured
from tests.integration.test_api_pairs import NEW_TRAININGS, part_trained

pytestmark = pytest.mark.slow


def test_methods_are_switched_and_cells_read_by_keyboard(browser: Browser, site: Site) -> None:
    job = measured(site.scenes, overlap=0.35, n_seeds=1)
    with opened(browser, site) as page:
        page.goto(f"/score-tables/{job.score_table_id}/affinity?order=input")
        expect(page.get_by_role("link", name="tag", exact=True)).to_have_attribute("aria-current", "true")
        expect(page.locator(".caution").first).to_contain_text("depth and edges (35 %)")
        page.get_by_role("link", name="cosine", exact=True).click()
        expect(page.get_by_role("link", name="cosine", exact=True)).to_have_attribute("aria-current", "true")
        cell = page.get_by_role("cell", name=re.compile(r"^\+0\.25")).first
        cell.focus()
        expect(page.locator("#cell-note")).to_contain_text("depth helps normals: +0.25 (from 1 network")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 390)])
def test_estimated_cells_are_told_apart_and_the_rest_is_measured_by_a_button(
    browser: Browser, site: Site, scheme: Any, width: int
) -> None:
    job = part_trained(site.scenes)
    context = browser.new_context(
        base_url=site.url, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    for query in ("", "?method=pairwise"):
        page.goto(f"/score-tables/{job.score_table_id}/affinity{query}")
        assert [*page.evaluate(CONTRAST), *page.evaluate(STRUCTURE)] == []
    page.goto(f"/score-tables/{job.score_table_id}/affinity?order=input")
    expect(page.locator("td.estimated")).to_have_count(5)
    estimated = page.locator("td.estimated").first
    estimated.focus()
    expect(page.locator("#cell-note")).to_contain_text("estimated from other networks")
    assert estimated.evaluate("cell => getComputedStyle(cell).fontStyle") == "italic"
    page.get_by_role("button", name=f"Measure what is missing: {NEW_TRAININGS} trainings").click()
    expect(page.locator(".state")).to_have_text("Queued")
    context.close()


def test_a_method_that_was_not_measured_is_there_and_leads_nowhere(browser: Browser, site: Site) -> None:
    job = site.scenes.finished()
    address = f"/score-tables/{job.score_table_id}/affinity"
    with opened(browser, site) as page:
        page.goto(address)
        greyed = page.locator('a.choice[aria-disabled="true"]')
        expect(greyed).to_have_text(["tag", "cosine", "first-order"])
        greyed.first.click(force=True)
        assert page.url.endswith(address)
        expect(page.locator(".hint")).to_contain_text("A job with the strategy tag")
