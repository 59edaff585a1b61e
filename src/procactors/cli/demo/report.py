"""Writes what the other three processes found into a report, in Markdown."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from procactors import Process, Step
from procactors.cli.demo.archive import Packed
from procactors.cli.demo.count import Counted
from procactors.cli.demo.duplicates import Duplicates
from procactors.cli.demo.files import Job, written
from procactors.cli.wording import plural, size


class Findings(msgspec.Struct):
    """The outputs of the other processes; None of one that did not finish."""

    job: Job
    count: Counted | None = None
    duplicates: Duplicates | None = None
    archive: Packed | None = None


class Page(msgspec.Struct):
    """The report's text, and where it is to be."""

    text: str
    path: str


class Report(msgspec.Struct):
    """The output: where the report is."""

    path: str


def compose(findings: Findings) -> Page:
    """Put the text together."""
    blocks = [
        f"# {findings.job.folder}",
        *_counts(findings.count),
        *_duplicates(findings.duplicates),
        *_archive(findings.archive),
    ]
    return Page("\n\n".join(blocks) + "\n", str(Path(findings.job.out, "report.md")))


def write(page: Page) -> Report:
    """Write the text to disk."""
    with written(Path(page.path)) as file:
        file.write(page.text.encode())
    return Report(page.path)


def _counts(counted: Counted | None) -> Iterator[str]:
    yield "## Contents"
    if counted is None:
        yield "The counting did not finish."
        return
    scanned, counts = counted.scanned, counted.counts
    yield _table(
        ("", ""),
        [
            ("files", f"{scanned.files:,}"),
            ("size", size(scanned.bytes)),
            ("lines", f"{counts.lines:,}"),
            ("words", f"{counts.words:,}"),
            ("Python tokens", f"{counts.tokens:,}"),
            ("binary files", f"{counts.binary:,}"),
            ("not valid Python", f"{counts.broken:,}"),
            ("unreadable", f"{counts.unreadable:,}"),
            ("passed over", f"{scanned.skipped:,}"),
        ],
    )
    if counts.names:
        yield "The most frequent identifiers:"
        yield _table(
            ("name", "occurs"), [(f"`{name}`", f"{times:,}") for name, times in counts.names.items()]
        )
        yield f"All of them: {counted.path}"


def _duplicates(found: Duplicates | None) -> Iterator[str]:
    yield "## Duplicates"
    if found is None:
        yield "The search did not finish."
        return
    groups = plural(found.groups, "group")
    yield f"There are {groups} of files with equal content; one copy each would save {size(found.wasted)}."
    for group in found.largest:
        names = ", ".join(f"`{name}`" for name in group.names)
        more = f" and {group.files - len(group.names)} more" if group.files > len(group.names) else ""
        yield f"* {group.files} x {size(group.bytes)}: {names}{more}"


def _archive(packed: Packed | None) -> Iterator[str]:
    yield "## Archive"
    if packed is None:
        yield "The packing did not finish."
        return
    rows = [(one.method, f"{one.ratio:.1%}", f"{size(one.speed)}/s") for one in packed.measured]
    yield _table(("method", "of the original", "speed"), rows)
    if not packed.path:
        yield "No archive was wanted."
        return
    ratio = packed.bytes / max(1, packed.original)
    yield (
        f"{packed.files:,} files, {size(packed.original)}, are {size(packed.bytes)} ({ratio:.1%}) in"
        f" {packed.path}; it was read again, and its content is right."
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


REPORT = Process("demo.report", [Step("compose", compose), Step("write", write)], timeout=3600)
