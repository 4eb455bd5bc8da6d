"""The pages of data sets in a real browser: upload, choose what is predicted, go to the form of a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Site, opened
from tests.e2e.test_web_pages import CONTRAST, STRUCTURE
from tests.frames import fields

pytestmark = pytest.mark.slow


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "mines.csv"
    fields().to_csv(file, index=False)
    return file


@pytest.mark.parametrize("width", [400, 1400])
def test_from_a_file_to_the_form_of_a_job(browser: Browser, site: Site, table: Path, width: int) -> None:
    with opened(browser, site, refused=True, viewport={"width": width, "height": 900}) as page:
        page.goto("/")
        page.get_by_role("link", name="Data", exact=True).click()
        page.get_by_label("Store a table").set_input_files(table)
        page.get_by_role("button", name="Store", exact=True).click()
        page.wait_for_url("**/data-sets/mines:*")
        page.get_by_role("button", name="Use this").click()
        expect(page.get_by_role("alert")).to_contain_text("at least one column that is predicted")
        page.get_by_label("mine", exact=True).select_option("binary")
        page.get_by_label("field", exact=True).select_option("a task per value")
        for script in (STRUCTURE, CONTRAST):
            assert page.evaluate(script) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="Use this").click()
        page.wait_for_url("**/jobs/new?problem=mines:*")
        expect(page.get_by_role("heading", name="Look at the data first")).to_be_visible()
        expect(page.get_by_role("checkbox", name="field 4")).to_be_checked()
        assert page.evaluate(STRUCTURE) == []
        page.goto("/data-sets")
        assert page.evaluate(STRUCTURE) == []
        page.get_by_role("link", name="mines:").click()
        expect(page.get_by_role("link", name="Search on this")).to_be_visible()
        page.get_by_text("Delete this data set").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("Nothing is stored yet.")).to_be_visible()


def test_what_is_no_table_is_told_on_the_page(browser: Browser, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "notes.pdf"
    file.write_bytes(b"%PDF")
    with opened(browser, site, refused=True) as page:
        page.goto("/data-sets")
        page.get_by_label("Store a table").set_input_files(file)
        page.get_by_role("button", name="Store", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text(".csv, .tsv, .parquet")
