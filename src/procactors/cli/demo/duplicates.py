"""Which files have the same content: those of the same size are hashed, those of the same hash grouped."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path

import msgspec

from procactors import Process, Step, StepContext
from procactors.cli.demo.files import Scanned, content, listed, readable, scan, with_progress, write_json

_SHOWN = 5


class Hashed(msgspec.Struct):
    """How many files were worth hashing, and where their hashes are."""

    scanned: Scanned
    path: str
    files: int


class Group(msgspec.Struct):
    """Files with the same content; a long list of names is cut."""

    bytes: int
    files: int
    names: list[str]


class Duplicates(msgspec.Struct):
    """The output.

    Attributes:
        hashed: How many files were hashed.
        groups: How many contents occur more than once.
        wasted: Bytes that one copy each would save.
        largest: The groups that waste most.
    """

    hashed: int
    groups: int
    wasted: int
    largest: list[Group]


def hash_candidates(scanned: Scanned, ctx: StepContext) -> Hashed:
    """Hash the files that are as large as another one."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for name in listed(scanned):
        by_size[_size(scanned, name)].append(name)
    candidates = [name for size, names in by_size.items() if size > 0 and len(names) > 1 for name in names]

    by_hash: dict[str, list[str]] = defaultdict(list)
    for name in with_progress(candidates, ctx):
        if data := content(scanned, name):
            by_hash[hashlib.sha256(data).hexdigest()].append(name)
    path = Path(scanned.job.out, "duplicates", "hashes.json")
    write_json(path, by_hash)
    return Hashed(scanned, str(path), len(candidates))


def group(hashed: Hashed) -> Duplicates:
    """Find the hashes that occur more than once."""
    by_hash: dict[str, list[str]] = json.loads(Path(hashed.path).read_text("ascii"))
    groups = [_group(hashed.scanned, names) for names in by_hash.values() if len(names) > 1]
    groups.sort(key=_waste, reverse=True)
    return Duplicates(hashed.files, len(groups), sum(map(_waste, groups)), groups[:_SHOWN])


def _group(scanned: Scanned, names: list[str]) -> Group:
    shown = [readable(name) for name in sorted(names)[:_SHOWN]]
    return Group(max(0, _size(scanned, names[0])), len(names), shown)


def _waste(group: Group) -> int:
    return group.bytes * (group.files - 1)


def _size(scanned: Scanned, name: str) -> int:
    try:
        return Path(scanned.job.folder, name).stat().st_size
    except OSError:
        return -1


DUPLICATES = Process(
    "demo.duplicates",
    [
        Step("scan", scan, kwargs={"into": "duplicates"}),
        Step("hash", hash_candidates),
        Step("group", group),
    ],
    timeout=3600,
)
