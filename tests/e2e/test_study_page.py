"""The pages of studies in a real browser: nothing from elsewhere, and nothing wider than a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Site, opened
from tests.e2e.test_web_pages import MARKUP
from tests.integration.test_api_studies import keep
from tests.studies import example_report

pytestmark = pytest.mark.slow

WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_study_is_found_read_and_deleted(browser: Browser, site: Site, width: int) -> None:
    keep(site.scenes.store, example_report((MARKUP, "normals", "edges", "a" * 90)), "a study")
    with opened(browser, site, viewport={"width": width, "height": 900}) as page:
        page.goto("/")
        page.get_by_role("link", name="Studies").click()
        assert not page.evaluate(WIDER)
        page.get_by_role("link", name="a study").click()
        expect(page.get_by_role("heading", level=2)).to_have_count(5)
        expect(page.get_by_role("img")).to_have_count(3)
        page.get_by_text("The matrices").first.click()
        expect(page.get_by_text(re.compile("^Networks of size 0.5")).first).to_be_visible()
        assert not page.evaluate(WIDER)
        page.get_by_text("Delete this study").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("There is no study yet")).to_be_visible()
