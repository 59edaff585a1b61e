"""What is in the files: lines, words, tokens, and the most frequent identifiers of Python's sources.

A process is a list of named steps. Each is a plain function that gets what the one before returned, and
may take a context to tell how far it is. A step begins when the output of the one before is safely
stored. So when the program is killed, only the step that was running is run again: the counting is cut
into four steps, so that this is never much.
"""

import io
import re
import token
import tokenize
from collections import Counter
from keyword import iskeyword
from pathlib import Path

import msgspec

from procactors import Process, Step, StepContext
from procactors.cli.demo.files import Scanned, content, listed, scan, with_progress, write_json

PARTS = 4

_WORD = re.compile(r"\w+")


class Counts(msgspec.Struct):
    """Counts over some files.

    Attributes:
        files: How many were read as text.
        binary: How many are no text.
        unreadable: How many could not be read.
        broken: How many Python sources are no valid Python.
        lines: Lines of text.
        words: Words of text.
        tokens: Tokens of Python.
        names: How often each identifier occurs in Python's sources.
    """

    files: int = 0
    binary: int = 0
    unreadable: int = 0
    broken: int = 0
    lines: int = 0
    words: int = 0
    tokens: int = 0
    names: dict[str, int] = {}


class Counted(msgspec.Struct):
    """The output: what was scanned, the counts, and where all of them are."""

    scanned: Scanned
    counts: Counts
    path: str


def tokenize_part(scanned: Scanned, ctx: StepContext, part: int) -> Scanned:
    """Count in every fourth file, and write the counts down."""
    counts, names = Counts(), Counter[str]()
    for name in with_progress(listed(scanned)[part - 1 :: PARTS], ctx):
        count_file(content(scanned, name), counts, names, is_python=name.endswith(".py"))
    counts.names = names
    write_json(_part_file(scanned, part), counts)
    return scanned


def count_file(data: bytes | None, counts: Counts, names: Counter[str], *, is_python: bool) -> None:
    """Add to the counts what is in a file."""
    if data is None:
        counts.unreadable += 1
    elif b"\0" in data:
        counts.binary += 1
    else:
        text = data.decode("utf-8", "replace")
        counts.files += 1
        counts.lines += len(text.splitlines())
        counts.words += sum(1 for _ in _WORD.finditer(text))
        if is_python:
            count_tokens(data, counts, names)


def count_tokens(source: bytes, counts: Counts, names: Counter[str]) -> None:
    """Add to the counts the tokens of a Python source."""
    try:
        for found in tokenize.tokenize(io.BytesIO(source).readline):
            counts.tokens += 1
            if found.type == token.NAME and not iskeyword(found.string):
                names[found.string] += 1
    except (SyntaxError, UnicodeError, tokenize.TokenError):
        counts.broken += 1


def add_up(scanned: Scanned) -> Counted:
    """Add up what the parts counted."""
    parts = [msgspec.json.decode(_part_file(scanned, n + 1).read_bytes(), type=Counts) for n in range(PARTS)]
    names = Counter[str]()
    for part in parts:
        names.update(part.names)
    fields = [field for field in Counts.__struct_fields__ if field != "names"]
    sums = {field: sum(getattr(part, field) for part in parts) for field in fields}
    path = Path(scanned.job.out, "count", "counts.json")
    write_json(path, Counts(**sums, names=dict(names.most_common())))
    return Counted(scanned, Counts(**sums, names=dict(names.most_common(12))), str(path))


def _part_file(scanned: Scanned, part: int) -> Path:
    return Path(scanned.job.out, "count", f"part-{part}.json")


COUNT = Process(
    "demo.count",
    [
        Step("scan", scan, kwargs={"into": "count"}),
        *(Step(f"tokenize {part}", tokenize_part, kwargs={"part": part}) for part in range(1, PARTS + 1)),
        Step("add up", add_up),
    ],
    timeout=3600,
)
