"""The page that submits a job, in a real browser, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from grouping.problems.registry import get_problem
from tests.e2e.conftest import Site, opened
from tests.e2e.test_web_pages import CONTRAST, STRUCTURE

pytestmark = pytest.mark.slow


def test_only_the_parameters_of_what_is_chosen_are_shown(browser: Browser, site: Site) -> None:
    with opened(browser, site) as page:
        page.goto("/jobs/new")
        page.get_by_text("Recipe: how the built-in trainer builds and trains networks").click()
        expect(page.locator("[id='optimiser.sgd.momentum']")).to_be_hidden()
        page.get_by_label("Optimiser", exact=True).select_option("sgd")
        expect(page.locator("[id='optimiser.sgd.momentum']")).to_be_visible()


@pytest.mark.parametrize("has_script", [True, False])
def test_a_job_is_priced_and_submitted(browser: Browser, site: Site, has_script: bool) -> None:
    with opened(browser, site, java_script_enabled=has_script) as page:
        page.goto("/jobs/new?problem=digits")
        page.get_by_label("Inference budgets").fill("1, 2")
        page.get_by_role("checkbox", name="occluder").uncheck()
        page.get_by_role("button", name="What would it cost?").click()
        expect(page.get_by_role("heading", name="What it would cost")).to_be_visible()
        expect(page.get_by_role("checkbox", name="occluder")).not_to_be_checked()
        page.get_by_role("button", name="Submit", exact=True).click()
        page.wait_for_url("**/jobs/*")
        expect(page.locator(".state").first).to_be_visible()


def test_a_job_is_submitted_again_with_a_task_more(browser: Browser, site: Site) -> None:
    tasks = [task.name for task in get_problem("digits").tasks]
    job = site.scenes.finished(tasks[:3], name="three tasks")
    with opened(browser, site) as page:
        page.goto(f"/jobs/{job.id}")
        page.get_by_role("link", name="Change it and submit it again").click()
        expect(page.locator("#filled-in")).to_contain_text("Filled in from three tasks")
        added = page.get_by_role("checkbox", name=tasks[3], exact=True)
        expect(added).not_to_be_checked()
        added.check()
        page.get_by_role("button", name="Submit", exact=True).click()
        page.wait_for_url(lambda address: "/jobs/" in address and "new" not in address)
        made = site.scenes.store.get_job(page.url.rpartition("/")[2])
    assert made.spec.tasks == tuple(tasks[:4])
    assert made.spec.reuse_jobs == (job.id,)


def test_a_wrong_field_is_marked_and_nothing_is_lost(browser: Browser, site: Site) -> None:
    with opened(browser, site, refused=True) as page:
        page.goto("/jobs/new")
        page.get_by_label("Name").fill("kept")
        page.get_by_label("Seeds to choose on").fill("three")
        page.get_by_role("button", name="Submit", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was submitted")
        expect(page.get_by_label("Seeds to choose on")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Name")).to_have_value("kept")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_is_readable_on_every_screen(browser: Browser, site: Site, width: int, scheme: str) -> None:
    with opened(browser, site, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        page.goto("/jobs/new")
        page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(STRUCTURE) == []
