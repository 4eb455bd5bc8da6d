"""The page of the affinity graph in a real browser: clean, readable, and of use without JavaScript."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from grouping.domain.networks import list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from tests.e2e.conftest import Site, opened
from tests.e2e.test_web_pages import CONTRAST, MARKUP, STRUCTURE
from tests.tables import make_table

pytestmark = pytest.mark.slow

OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll("svg.plot text")].map((text) =>
    [text.textContent, text.getBoundingClientRect()]);
  const frame = document.querySelector("svg.plot").getBoundingClientRect();
  const found = [];
  boxes.forEach(([a, p], i) => {
    if (p.left < frame.left - 1 || p.right > frame.right + 1 || p.top < frame.top - 1 ||
        p.bottom > frame.bottom + 1) found.push(`${a} leaves the picture`);
    boxes.slice(0, i).forEach(([b, q]) => {
      if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 4 && q.top < p.bottom - 4)
        found.push(`${a} over ${b}`);
    });
  });
  return found;
}"""


def many_tasks(n_tasks: int) -> ScoreTable:
    """Singles and pairs of many tasks with long names, in four blocks."""
    names = [f"attribute number {i} of the face" for i in range(n_tasks)]
    networks = list_candidates(names, max_group_size=2)
    generator = np.random.default_rng(4)
    effects = generator.normal(size=(n_tasks, n_tasks)) * 0.03 - 0.03
    block = np.arange(n_tasks) % 4
    effects += 0.1 * (block[:, None] == block[None, :])
    losses = np.ones((len(networks), n_tasks))
    for n, network in enumerate(networks):
        members = [t for t, name in enumerate(names) if name in network.group]
        if len(members) == 2:
            a, b = members
            losses[n, a], losses[n, b] = 1 - effects[b, a], 1 - effects[a, b]
    return make_table(networks, tuple(map(Task, names)), losses)


def test_the_page_is_clean_with_markup_in_every_name_shown(browser: Browser, site: Site) -> None:
    job = site.scenes.finished((MARKUP, "b&b", "\"'c", "x" * 100), name=f"{MARKUP} job")
    with opened(browser, site) as page:
        page.goto(f"/score-tables/{job.score_table_id}/graph")
        page.wait_for_load_state("networkidle")
        assert page.locator("img[src=x]").count() == 0
        assert MARKUP in page.locator("body").inner_text()
        expect(page.get_by_role("img", name="Which task helps or harms which")).to_be_visible()


@pytest.mark.parametrize("has_script", [True, False])
def test_another_method_budget_and_number_of_arrows_are_chosen(
    browser: Browser, site: Site, has_script: bool
) -> None:
    job = site.scenes.finished()
    with opened(browser, site, java_script_enabled=has_script) as page:
        page.goto(f"/score-tables/{job.score_table_id}/affinity")
        page.get_by_role("link", name="Graph", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("The tasks as a graph")
        expect(page.get_by_role("heading", name="within 2 SNT")).to_be_visible()
        page.get_by_label("Method", exact=True).select_option("higher-order")
        page.get_by_label("Arrows", exact=True).first.select_option("10")
        page.get_by_role("textbox", name="Inference budget").fill("1.5")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("heading", name="within 1.5 SNT")).to_be_visible()
        expect(page.get_by_text("Clustering alone would cost at least")).to_be_visible()
        expect(page.get_by_text("2 effects within the noise are not drawn", exact=True)).to_be_visible()
        expect(page.get_by_label("Method", exact=True)).to_have_value("higher-order")
        expect(page.get_by_role("region", name="Arrows").get_by_role("row")).to_have_count(11)


@pytest.mark.parametrize(("scheme", "width"), tuple(product(("light", "dark"), (1180, 390))))
def test_the_page_is_labelled_and_readable(
    browser: Browser, site: Site, tmp_path: Path, scheme: Any, width: int
) -> None:
    finished = site.scenes.finished()
    running = site.scenes.running(name="running", n_seeds=1)
    site.scenes.train(running, 5)
    large, _ = site.scenes.store.import_table(many_tasks(30), "thirty tasks")
    tables = (finished.score_table_id, running.score_table_id, large.id)
    faults = []
    context = browser.new_context(
        base_url=site.url, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    for number, table_id in enumerate(tables):
        for query in ("", "?effects=120&budget_snt=none"):
            page.goto(f"/score-tables/{table_id}/graph{query}")
            faults += [f"{number}{query}: {f}" for f in (*page.evaluate(CONTRAST), *page.evaluate(STRUCTURE))]
            if page.locator("svg.plot").count():
                faults += [f"{number}{query}: {f}" for f in page.evaluate(OVERLAPS)]
        page.screenshot(path=tmp_path / f"graph-{scheme}-{width}-{number}.png", full_page=True)
    assert page.locator("svg.plot").count() == 1
    context.close()
    assert faults == []
