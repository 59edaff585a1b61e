"""A real Chromium, and a witness who hears of whatever a page should not do."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS, WIDE
from tests.browser.site import site as serve_site
from tests.integration.web_shop import UNKNOWN_PID

PATIENCE_MS = 30_000
TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI}`));
"""


def pytest_collection_finish():
    """Fail at once, and say what to do, where there is no browser."""
    if not Path(CHROMIUM).is_file():
        raise pytest.UsageError(
            f"there is no browser at {CHROMIUM}: apt-get install chromium, or set CHROMIUM to the path of one"
        )
    expect.set_options(timeout=PATIENCE_MS)


class Witness:
    """Hears all that the pages of a context complain of, and all that they ask for."""

    def __init__(self, context, address):
        self.complaints = []
        self.foreign = []
        self.requests = 0
        self._host = urlsplit(address).netloc
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._see)

    def _hear(self, message):
        is_of_missing_page = UNKNOWN_PID in message.location["url"] and "404" in message.text
        is_wanted = is_of_missing_page or "502" in message.text  # no page of ours answers that: a test does
        if message.type in {"error", "warning"} and not is_wanted:
            self.complaints.append(f"{message.type} at {message.location['url']}: {message.text}")

    def _see(self, request):
        self.requests += 1
        if urlsplit(request.url).netloc != self._host:
            self.foreign.append(request.url)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def site(tmp_path):
    """A newspaper without processes yet."""
    with serve_site(f"sqlite:///{tmp_path}/paper.db") as site:
        yield site


@pytest.fixture
def visit(browser, site):
    """Open a new window of a person who has not been here before; whatever it does is witnessed."""
    contexts = []

    def open_window(**options):
        context = browser.new_context(base_url=site.address, **{"viewport": WIDE, **options})
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(TELL_OF_VIOLATIONS)
        contexts.append((context, Witness(context, site.address)))
        return context.new_page()

    yield open_window
    for context, witness in contexts:
        context.close()
        assert not witness.complaints
        assert not witness.foreign
        assert witness.requests


@pytest.fixture
def page(visit):
    """One window."""
    return visit()
