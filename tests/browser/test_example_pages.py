"""The pages of docs/examples, in a real browser: a bar that moves, a person who agrees."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.integration.example_servers import EXAMPLES, served

FASTAPI = ("fastapi_app:app", EXAMPLES, "0")
IMPORT = ("app:app", EXAMPLES / "document_import", "0")
SLOW_IMPORT = ("app:app", EXAMPLES / "document_import", "3600")


@pytest.fixture
def site(request, tmp_path):
    """An example, instead of the newspaper."""
    target, where, seconds_a_page = request.param
    with served(
        target, tmp_path, where, DATA=str(tmp_path / "data"), SECONDS_A_PAGE=seconds_a_page
    ) as client:
        yield SimpleNamespace(address=str(client.base_url), folder=tmp_path)


def has_no_serious_fault(page):
    found = Axe().run(page).response["violations"]
    assert not [one for one in found if one["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize("site", [FASTAPI], indirect=True)
def test_an_article_is_followed_and_published(page):
    page.goto("/")
    page.get_by_label("Title").fill("Hello <b>world</b>")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Publish it?")).to_be_visible()
    expect(page.get_by_role("heading", name="Hello <b>world</b>")).to_be_visible()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_js_property("value", bar.evaluate("bar => bar.max"))
    has_no_serious_fault(page)
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("published at /hello-<b>world</b>")).to_be_visible()
    expect(page.get_by_text("Publish it?")).to_be_hidden()


def upload_numbers(site, page):
    """Upload a document of 50 pages."""
    numbers = site.folder / "numbers.txt"
    numbers.write_text("\n".join(str(number) for number in range(2000)))
    page.goto("/")
    has_no_serious_fault(page)
    page.get_by_label("A text").set_input_files(numbers)
    page.get_by_role("button", name="Import").click()


@pytest.mark.parametrize("site", [SLOW_IMPORT], indirect=True)
def test_the_import_of_a_document_is_watched(site, page):
    upload_numbers(site, page)
    expect(page.get_by_text("count: 1 of 50 pages")).to_be_visible()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_js_property("value", 1)
    expect(bar).to_have_js_property("max", 50)


@pytest.mark.parametrize("site", [IMPORT], indirect=True)
def test_a_document_is_uploaded_and_published(site, page):
    upload_numbers(site, page)
    expect(page.get_by_text("50 pages, 2000 words")).to_be_visible()
    has_no_serious_fault(page)
    page.get_by_label("Editor's token").fill("s3cret")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", name="numbers.txt")).to_be_visible()
    page.get_by_role("link", name="The shelf").click()
    expect(page.get_by_text("1 documents")).to_be_visible()
    page.get_by_role("link", name="numbers.txt").click()
    expect(page.get_by_text("Published: 50 pages, 2000 words")).to_be_visible()
