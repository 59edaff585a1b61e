"""The reference pages are complete: every error, event, option, status and column, and no other."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import get_args

from procactors import ManagerOptions, ProcessEvent, ProcessStatus, StepStatus, errors
from procactors.stores._migrate import migrations

PAGES = Path(__file__).parents[2] / "docs" / "reference"
MACHINE_DEPENDENT = {"workers"}
ROOMS = ("web", "deferred", "actors", "otel", "testing")


def rows(page):
    """Return the cells of each row of a page's tables, without heads."""
    text = (PAGES / page).read_text("utf-8")
    lines = re.findall(r"^\| (.*?) \|$", text, re.MULTILINE)
    return [
        [cell.strip() for cell in re.split(r" \|(?: |$)", line)] for line in lines if line.startswith("`")
    ]


def words(cell):
    return re.findall(r"`(\w+)`", cell)


def test_every_error_has_a_row():
    raised = {
        n for n, thing in vars(errors).items() if inspect.isclass(thing) and issubclass(thing, Exception)
    }
    assert sorted(word for row in rows("errors.md") for word in words(row[0])) == sorted(
        raised - {"ProcactorsError"}
    )


def test_every_event_has_a_row_with_its_fields():
    shared = {"pid", "seq", "position", "at"}
    fields = {
        kind.__name__: [field for field in kind.__struct_fields__ if field not in shared]
        for kind in get_args(ProcessEvent)
    }
    said = {words(row[0])[0]: words(row[1]) for row in rows("events.md") if words(row[0])[0] not in shared}
    assert said == fields


def test_every_status_has_a_row():
    said = [words(row[0])[0] for row in rows("statuses.md")]
    assert said == [*ProcessStatus, *StepStatus]


def test_every_option_has_a_row_with_its_default():
    said = {words(row[0])[0]: row[1] for row in rows("options.md")}
    options = ManagerOptions()
    assert set(said) == set(options.__struct_fields__)
    for name in set(said) - MACHINE_DEPENDENT:
        assert said[name] == f"{getattr(options, name)}", name


def test_every_column_has_a_row():
    text = "\n".join(text for _, text in migrations("sqlite"))
    columns = {
        table: re.findall(r"^    ([a-z]\w*)", body, re.MULTILINE)
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", text, re.DOTALL)
    }
    for table, name in re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", text):
        columns[table].append(name)
    sections = re.split(r"^## (\w+)$", (PAGES / "sql-schema.md").read_text("utf-8"), flags=re.MULTILINE)
    said = dict(zip(sections[1::2], sections[2::2], strict=True))
    for table, names in columns.items():
        cells = re.findall(r"^\| (`[^|]*) \|", said[table], re.MULTILINE)
        assert sorted(name for cell in cells for name in words(cell)) == sorted(names), table


def anchors_of(page):
    """Return the anchors of a page's headings, as the site makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\s-]", "", heading).strip().lower()
        yield re.sub(r"[-\s]+", "-", words)


def test_links_between_pages_lead_somewhere():
    root = PAGES.parents[1]
    for page in [*root.glob("*.md"), *root.glob("*/README.md"), *root.glob("docs/**/*.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)]+))?\)", text):
            place = page.parent / target if target else page
            assert place.exists(), f"{page.name} links to {target}"
            if anchor and place.name != "api.md":
                assert anchor in anchors_of(place), f"{page.name} links to {target}#{anchor}"


def test_every_page_is_in_the_menu_of_the_site_once():
    menu = (PAGES.parents[1] / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    docs = PAGES.parent
    pages = sorted(str(page.relative_to(docs)) for page in docs.glob("**/*.md"))
    assert sorted(re.findall(r"[\w/-]+\.md", menu)) == pages


def test_every_public_name_is_on_the_api_page():
    elsewhere = {name for name in vars(errors) if name.endswith("Error")}
    elsewhere |= {kind.__name__ for kind in get_args(ProcessEvent)} | {"ProcessEvent"}
    said = re.findall(r"^::: ([\w.]+)$", (PAGES / "api.md").read_text("utf-8"), re.MULTILINE)
    for package in ("procactors", *(f"procactors.{room}" for room in ROOMS)):
        init = PAGES.parents[1].joinpath("src", *package.split("."), "__init__.py").read_text("utf-8")
        names = set(re.findall(r" as ([A-Za-z]\w*)$", init, re.MULTILINE)) - elsewhere
        assert {f"{package}.{name}" for name in names} <= set(said), package


def test_every_name_on_the_api_page_is_there():
    for line in re.findall(r"^::: ([\w.]+)$", (PAGES / "api.md").read_text("utf-8"), re.MULTILINE):
        module, _, name = line.rpartition(".")
        assert hasattr(importlib.import_module(module), name), line
