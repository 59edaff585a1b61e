"""What people see happen, and do, in a real browser while processes run."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.paper import ARTICLE, EDITION, LAYOUT, NEWS, PAGES, SHEET, SPELLING, TWO_SIDES

TITLE = {"title": "Teh news"}


def row_of(page, pid):
    """Return the row of a process in the list."""
    return page.locator("#processes tbody tr").filter(has=page.locator(f'a[href$="{pid}"]'))


def go_live(page, path):
    """Open a page, and wait until it hears of events."""
    page.goto(path)
    expect(page.get_by_role("status")).to_have_text("live")


# What moves by itself.


def test_the_list_updates_while_processes_run(site, page):
    go_live(page, "/")
    expect(page.get_by_text("No processes yet")).to_be_visible()
    layout = site.start(LAYOUT)
    expect(row_of(page, layout)).to_contain_text("running")
    news = site.start(NEWS)
    expect(row_of(page, news)).to_contain_text("finished")
    site.give_turns(PAGES)
    expect(row_of(page, layout)).to_contain_text("finished")


def test_a_progress_bar_moves_in_the_list_and_on_the_page_of_the_process(site, page, visit):
    pid = site.started(LAYOUT, "running")
    go_live(page, "/")
    other = visit()
    go_live(other, f"/processes/{pid}")
    for more, done in ((1, 1), (1, 2), (PAGES - 3, PAGES - 1)):
        site.give_turns(more)
        for window in (page, other):
            bar = window.get_by_role("progressbar", name="Progress of layout").first
            expect(bar).to_have_js_property("value", done)
            expect(bar).to_have_js_property("max", PAGES)
    site.give_turns(1)
    for window in (page, other):
        expect(window.locator("main")).to_contain_text("finished")
        expect(window.get_by_role("progressbar")).to_have_count(0)


def test_the_page_of_an_ended_process_is_live_again_when_somebody_rewinds_it(site, page):
    site.give_turns(PAGES)
    pid = site.started(LAYOUT, "finished")
    page.goto(f"/processes/{pid}")
    expect(page.locator("main")).to_contain_text("finished")
    site.rewind(pid, "lay out")
    expect(page.get_by_role("status")).to_have_text("live", timeout=60_000)
    expect(page.locator("main")).to_contain_text("running")
    site.give_turns(PAGES)
    expect(page.locator("main")).to_contain_text("finished")


def test_steps_appear_in_the_timeline_as_they_end(site, page):
    pid = site.started(LAYOUT, "running")
    go_live(page, f"/processes/{pid}")
    row = page.get_by_role("row", name=re.compile("lay out"))
    expect(row).to_contain_text("running")
    site.give_turns(PAGES)
    expect(row).to_contain_text("completed")
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")


def test_a_page_goes_on_live_after_its_server_was_away(site, page):
    pid = site.started(LAYOUT, "running")
    go_live(page, f"/processes/{pid}")
    page.context.set_offline(True)
    page.context.set_offline(False)
    site.give_turns(PAGES)
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")


def test_what_one_has_opened_and_typed_stays_while_the_page_moves_on(site, page):
    pid = site.started(TWO_SIDES, "running")
    go_live(page, f"/processes/{pid}")
    page.get_by_text("Cancel …").click()
    reason = page.get_by_label("Reason")
    reason.fill("not on a")
    site.give_turns(PAGES)
    expect(page.get_by_role("row", name=re.compile("front side"))).to_contain_text("completed")
    expect(reason).to_be_focused()
    expect(reason).to_have_value("not on a")
    page.get_by_text("Output of front side").click()
    site.give_turns(1)
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 1)
    site.give_turns(PAGES)
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    expect(page.get_by_text('"pages": 8').first).to_be_visible()
    expect(reason).to_have_count(0)


def test_focus_stays_on_its_process_while_others_come_and_end(site, page):
    pid = site.started(TWO_SIDES, "running")
    go_live(page, "/")
    link = row_of(page, pid).get_by_role("link").first
    link.focus()
    for _ in range(3):
        news = site.started(NEWS, "finished")
        expect(row_of(page, news)).to_contain_text("finished")
        expect(link).to_be_focused()
    site.give_turns(PAGES)
    expect(row_of(page, pid)).to_contain_text("back side")
    expect(link).to_be_focused()
    rows = page.locator("#processes tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.last).to_contain_text("two sides")


def test_durations_count_on_between_events(site, page):
    pid = site.started(TWO_SIDES, "running")
    page.clock.install()
    go_live(page, f"/processes/{pid}")
    page.clock.run_for(65_000)
    expect(page.get_by_text(re.compile("^1 min \\d+ s$")).first).to_be_visible()


def test_a_page_that_is_not_looked_at_holds_no_connection_and_catches_up(site, page):
    pid = site.started(TWO_SIDES, "running")
    go_live(page, f"/processes/{pid}")
    look(page, away=True)
    expect(page.get_by_role("status")).to_have_text("")
    site.give_turns(PAGES)
    look(page, away=False)
    expect(page.get_by_role("status")).to_have_text("live")
    expect(page.get_by_role("row", name=re.compile("front side"))).to_contain_text("completed")
    site.give_turns(PAGES)
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")


def test_a_page_whose_stream_a_proxy_refuses_tries_again(site, page):
    pid = site.started(TWO_SIDES, "running")
    page.route("**/events*", lambda route: route.fulfill(status=502))
    page.goto(f"/processes/{pid}")
    expect(page.get_by_role("status")).to_have_text("reconnecting")
    page.unroute("**/events*")
    expect(page.get_by_role("status")).to_have_text("live")
    site.give_turns(2 * PAGES)
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    expect(page.get_by_role("status")).to_have_text("")


def look(page, *, away):
    """Look at another window, or at this one again, as a browser would tell it."""
    page.evaluate(
        """(away) => {
            Object.defineProperty(document, "hidden", { get: () => away, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        away,
    )


# What people do.


def test_a_process_is_approved_in_the_form_of_its_question(site, page):
    pid = site.started(ARTICLE, "interrupted", TITLE)
    page.goto("/")
    row_of(page, pid).get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Waits for an answer")).to_be_visible()
    page.get_by_label("approved").select_option("yes")
    page.get_by_label("channel").select_option("print")
    page.get_by_label("note").fill("with <b>care</b>")
    page.get_by_role("button", name="Proceed").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    expect(page.locator("main")).to_contain_text("with <b>care</b>")
    assert site.info(pid).output == {"url": "/articles/1", "note": "with <b>care</b>"}


def test_the_question_appears_while_one_looks_and_goes_when_another_answers(site, page, visit):
    pid = site.started(ARTICLE, "interrupted", TITLE)
    go_live(page, f"/processes/{pid}")
    other = visit()
    other.goto(f"/processes/{pid}")
    other.get_by_label("approved").select_option("no")
    other.get_by_role("button", name="Proceed").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    expect(page.get_by_role("button", name="Proceed")).to_have_count(0)


def test_a_process_is_cancelled_with_a_reason(site, page):
    pid = site.started(LAYOUT, "running")
    page.goto(f"/processes/{pid}")
    page.get_by_text("Cancel …").click()
    page.get_by_label("Reason").fill("no room in this edition")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    expect(page.locator("main")).to_contain_text("no room in this edition")
    assert site.info(pid).reason == "no room in this edition"


def test_an_error_is_read_with_its_traceback_and_its_cause(site, page):
    pid = site.started(SPELLING, "failed", TITLE)
    page.goto("/?status=failed")
    expect(row_of(page, pid)).to_contain_text("LookupError")
    row_of(page, pid).get_by_role("link").first.click()
    error = page.get_by_role("region", name="Error")
    expect(error).to_contain_text("LookupError: 'Teh' is in no dictionary")
    expect(error).to_contain_text("KeyError: 'Teh'")
    traceback = error.get_by_text("Traceback (most recent call last)").first
    if not traceback.is_visible():
        error.get_by_text("Traceback", exact=True).first.click()
    expect(traceback).to_be_visible()


def test_the_history_is_read_and_grows(site, page):
    pid = site.started(ARTICLE, "interrupted", TITLE)
    go_live(page, f"/processes/{pid}")
    page.get_by_text("events", exact=False).first.click()
    history = page.get_by_role("region", name="Table of events")
    expect(history).to_contain_text("process interrupted")
    expect(history).not_to_contain_text("process finished")
    site.proceed(pid, {"approved": True})
    expect(history).to_contain_text("process finished")


def test_a_failed_process_is_tried_again(site, page):
    pid = site.started(SPELLING, "failed", TITLE)
    page.goto(f"/processes/{pid}")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("row", name=re.compile("check"))).to_contain_text("Attempt 2")


def test_children_move_on_the_page_of_their_parent(site, page):
    pid = site.started(SHEET, "waiting")
    go_live(page, f"/processes/{pid}")
    plan = page.get_by_role("region", name="Children").get_by_role("img")
    expect(plan).to_have_accessible_name("0 of 2 steps done")
    site.give_turns(PAGES)
    expect(plan).to_have_accessible_name("1 of 2 steps done")
    site.give_turns(PAGES)
    expect(page.get_by_role("heading", level=1)).to_contain_text("finished")


def test_children_lead_to_their_parent_and_back(site, page):
    pid = site.started(EDITION, "finished", TITLE)
    page.goto(f"/processes/{pid}")
    page.get_by_role("region", name="Children").get_by_role("link", name="news").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("news")
    page.get_by_role("link", name=pid[:16]).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("edition")


def test_a_reload_keeps_the_filter(site, page):
    news = site.started(NEWS, "finished")
    article = site.started(ARTICLE, "interrupted")
    site.started(SPELLING, "failed", TITLE)
    page.goto("/")
    page.get_by_label("Status").select_option("interrupted")
    page.get_by_role("button", name="Filter").click()
    for _ in range(2):
        expect(row_of(page, article)).to_be_visible()
        expect(page.locator("#processes tbody tr")).to_have_count(1)
        expect(page.get_by_label("Status")).to_have_value("interrupted")
        page.reload()
    page.get_by_role("link", name="Show all").click()
    expect(row_of(page, news)).to_be_visible()
    page.get_by_label("Search").fill("news")
    page.keyboard.press("Enter")
    expect(page.locator("#processes tbody tr")).to_have_count(1)
    page.reload()
    expect(page.get_by_label("Search")).to_have_value("news")
    expect(page.locator("#processes tbody tr")).to_have_count(1)


def test_a_queue_is_paused_and_resumed(site, page):
    page.goto("/managers")
    page.get_by_role("button", name="Pause all of them").click()
    expect(page.get_by_text("paused")).to_be_visible()
    page.get_by_role("button", name="Resume all of them").click()
    expect(page.get_by_text("paused")).to_have_count(0)
