"""What holds for each page: it needs no script, no mouse and no other host, and axe finds no fault."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from procactors import Process, Step
from tests.browser.chromium import NARROW, WIDE
from tests.browser.paper import ARTICLE, EDITION, LAYOUT, SPELLING, ask_editor, check_spelling
from tests.integration.web_shop import UNKNOWN_PID

TITLE = {"title": "Teh news"}
FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary"
OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


@pytest.fixture
def paths(site):
    """The path of a page of each kind, by what it shows."""
    pids = {
        "a failed process": site.started(SPELLING, "failed", TITLE),
        "an interrupted process": site.started(ARTICLE, "interrupted", TITLE),
        "a parent": site.started(EDITION, "finished", TITLE),
        "a running process": site.started(LAYOUT, "running"),
    }
    site.give_turns(3)
    return {
        "processes": "/",
        "no processes": "/?status=blocked",
        **{what: f"/processes/{pid}" for what, pid in pids.items()},
        **{what: f"/{what}" for what in ("managers", "actors", "deferred", "start")},
        "what is not there": f"/processes/{UNKNOWN_PID}",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_axe_finds_no_serious_fault(paths, visit, scheme, size):
    options = {"viewport": NARROW} if size == "narrow" else {}
    page = visit(color_scheme=scheme, **options)
    for what, path in paths.items():
        page.goto(path)
        page.evaluate(OPEN_ALL)
        found = Axe().run(page)
        assert not found.response["violations"], f"{what}: {found.generate_report()}"


def test_no_page_is_wider_than_a_telephone(paths, visit):
    page = visit(viewport=NARROW)
    for what, path in paths.items():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], what


def test_names_that_never_end_do_not_tear_a_page(site, visit):
    endless = "endless" * 30
    process = Process(endless, [Step(endless, ask_editor), Step(f"{endless}2", check_spelling)])
    pid = site.start(process, {endless: endless, "title": endless}, key=endless, tags=[endless])
    site.reach(pid, "interrupted")
    narrow, wide = visit(viewport=NARROW), visit(viewport=WIDE)
    for _ in range(2):
        for path in ("/", f"/processes/{pid}", "/managers", "/start"):
            for page in (narrow, wide):
                page.goto(path)
                page.evaluate(OPEN_ALL)
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= page.viewport_size["width"], path
            torn = (
                "[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth)"
            )
            assert wide.evaluate(f"{torn}.length") == 0, path
        if site.info(pid).status == "interrupted":
            site.proceed(pid, {"approved": True})
            site.reach(pid, "failed")


def test_tab_reaches_whatever_can_be_done_in_the_order_in_which_it_stands(paths, page):
    for what, path in paths.items():
        page.goto(path)
        page.evaluate(OPEN_ALL)
        wanted = page.locator(FOCUSABLE).evaluate_all(
            """(all) => all.filter((one) => one.checkVisibility())
                .map((one, number) => { one.dataset.number = number; return String(number); })"""
        )
        reached = []
        for _ in range(3 * len(wanted) + 20):
            page.keyboard.press("Tab")
            number = page.evaluate("document.activeElement.dataset.number ?? null")
            if number is not None and number not in reached:
                reached.append(number)
        assert reached == wanted, what


def test_a_question_is_answered_without_a_mouse(site, page):
    pid = site.started(ARTICLE, "interrupted", TITLE)
    page.goto(f"/processes/{pid}")
    page.get_by_label("approved").focus()
    page.keyboard.type("yes")
    while page.evaluate("document.activeElement.textContent.trim()") != "Proceed":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert site.info(pid).output["url"]


def test_everything_can_be_read_and_done_without_scripts(site, paths, visit):
    page = visit(java_script_enabled=False)
    page.goto("/")
    for name in ("spelling", "article", "edition", "layout"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("link", name="spelling").click()
    for details in page.locator("details").all():
        if details.get_attribute("open") is None:
            details.locator("summary").first.click()
    expect(page.get_by_text("Traceback (most recent call last)").first).to_be_visible()
    page.goto(paths["an interrupted process"])
    page.get_by_label("approved").select_option("yes")
    page.get_by_role("button", name="Proceed").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("article")
    page.goto(paths["a running process"])
    page.get_by_text("Cancel …").click()
    with page.expect_navigation():  # a reload before its end would be none
        page.get_by_role("button", name="Cancel").click()
    site.reach(paths["a running process"].rpartition("/")[2], "cancelled")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    page.goto("/actors")
    expect(page.get_by_text("persistence").first).to_be_visible()
    page.get_by_role("link", name="Start").click()
    page.get_by_label("Definition").select_option("news")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("news")
