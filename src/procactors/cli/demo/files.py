"""What the processes of the demo share: which files there are, and how results get to disk.

A step may be run again after a crash. So each writes its results under a fixed name, and a file appears
under its name only when it is complete.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, TypeVar

import msgspec

from procactors import StepContext

T = TypeVar("T")

LARGEST_FILE_BYTES = 1024 * 1024
MOST_BYTES = 256 * 1024 * 1024


class Job(msgspec.Struct):
    """What each process starts with.

    Attributes:
        folder: The folder whose files are worked on.
        out: The folder for results.
        left_out: Names of folders not to look into, and paths not to touch; hidden folders are left out too.
    """

    folder: str
    out: str
    left_out: tuple[str, ...] = ()


class Scanned(msgspec.Struct):
    """What `scan` found. Not the names of all files, which may be many, but where they are written down.

    Attributes:
        job: What the process started with.
        listing: The file that holds the names, relative to the folder.
        files: How many files there are.
        bytes: How large they are together.
        skipped: How many were passed over: links, devices, files over 1 MiB or beyond 256 MiB in all.
    """

    job: Job
    listing: str
    files: int
    bytes: int
    skipped: int


def scan(job: Job, ctx: StepContext, into: str) -> Scanned:
    """Find the files, and write down their names in the subfolder `into` of the results."""
    found: list[str] = []
    total = skipped = 0
    for path, size in _walk(job):
        if size is None or size > LARGEST_FILE_BYTES or total + size > MOST_BYTES:
            skipped += 1
            continue
        found.append(os.path.relpath(path, job.folder))
        total += size
        ctx.progress(len(found), text="files")
    listing = Path(job.out, into, "files.json")
    write_json(listing, found)
    return Scanned(job, str(listing), len(found), total, skipped)


def _walk(job: Job) -> Iterator[tuple[str, int | None]]:
    """Yield every file's path and size; None as the size of what is no plain file."""
    for folder, folders, names in os.walk(job.folder):
        folders[:] = sorted(name for name in folders if _is_wanted(job, folder, name))
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - a Path can cost more than reading a small file
            if path not in job.left_out:
                yield path, _size(path)


def _is_wanted(job: Job, folder: str, name: str) -> bool:
    is_left_out = name in job.left_out or f"{folder}/{name}" in job.left_out
    return not (is_left_out or name.startswith("."))


def _size(path: str) -> int | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None


def listed(scanned: Scanned) -> list[str]:
    """Return the names of the files that were found, relative to the folder."""
    names: list[str] = json.loads(Path(scanned.listing).read_text("ascii"))
    return names


def content(scanned: Scanned, name: str) -> bytes | None:
    """Return what is in a file; None if it can't be read, as it may be gone by now."""
    try:
        return Path(scanned.job.folder, name).read_bytes()
    except OSError:
        return None


def with_progress(items: Sequence[T], ctx: StepContext, text: str = "files") -> Iterator[T]:
    """Yield the items, and tell how far the step is."""
    for done, item in enumerate(items):
        ctx.progress(done, len(items), text)
        yield item


def readable(name: str) -> str:
    """Return a file's name as text that JSON can hold: a name may be any bytes."""
    return os.fsencode(name).decode("utf-8", "replace")


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when the block ends, complete and durable, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, as `written` does."""
    with written(path) as file:
        file.write(json.dumps(msgspec.to_builtins(value), indent=1).encode("ascii"))
