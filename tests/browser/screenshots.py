"""`make screenshots`: pictures of each page, light and dark, wide and narrow; a few for the documentation.

They go to build/screenshots, and those that README and docs show to docs/images.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS, NARROW, WIDE
from tests.browser.office import office

ROOT = Path(__file__).parents[2]
EACH = ROOT / "build" / "screenshots"
SHOWN = {"processes-wide-light": "processes", "process-interrupted-wide-dark": "question"}
SIZES = {"wide": WIDE, "narrow": NARROW}


def main():
    """Take them all."""
    EACH.mkdir(parents=True, exist_ok=True)
    with office() as (address, pids), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        paths = {name: f"/{name}" for name in ("managers", "actors", "deferred", "start")}
        paths |= {"processes": "/", "problem": "/processes/nothing"}
        paths |= {f"process-{name}": f"/processes/{pid}" for name, pid in pids.items()}
        for scheme, (size, viewport) in product(("light", "dark"), SIZES.items()):
            context = chromium.new_context(base_url=address, viewport=viewport, color_scheme=scheme)
            page = context.new_page()
            for what, path in paths.items():
                name = f"{what}-{size}-{scheme}"
                page.goto(path)
                page.screenshot(path=EACH / f"{name}.png", full_page=True, caret="initial")
                if name in SHOWN:
                    page.screenshot(path=ROOT / "docs" / "images" / f"{SHOWN[name]}.png", caret="initial")
            context.close()
        chromium.close()
    print(f"{len(list(EACH.glob('*.png')))} pictures are in {EACH}")  # noqa: T201 - it is a program


if __name__ == "__main__":
    main()
