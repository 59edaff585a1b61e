"""Packs the files into an archive, after a person has agreed.

`propose` ends with an `Interrupt`: the process pauses after it, however long, also across restarts,
until somebody answers with `procactors proceed`. The answer has to fit `Decision`; it is merged over the
proposal, and that is what `pack` gets.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from procactors import Interrupt, Process, Step, StepContext
from procactors.cli.demo.files import Scanned, content, listed, readable, scan, with_progress, written

Method = Literal["gz", "bz2", "xz"]

SAMPLE_BYTES = 2 * 1024 * 1024

_COMPRESSORS: dict[Method, Callable[[bytes], bytes]] = {
    "gz": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}

_OPENERS: dict[Method, Callable[..., IO[Any]]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}


class Measured(msgspec.Struct):
    """How a method did on the sample: compressed size as a part of the original, bytes per second."""

    method: Method
    ratio: float
    speed: float


class Proposal(msgspec.Struct):
    """The question: shall the files be packed by this method, into about so many bytes?"""

    scanned: Scanned
    measured: list[Measured]
    method: Method
    expected: int


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """The answer: yes or no, and another method if that is wanted."""

    approved: bool
    method: Method | msgspec.UnsetType = msgspec.UNSET


class Decided(Proposal, kw_only=True):
    """The proposal with the answer merged over it."""

    approved: bool


class Packed(msgspec.Struct):
    """The output.

    Attributes:
        measured: How the methods did on the sample.
        path: The archive; "" if it was not wanted.
        method: How it is compressed.
        files: How many files are in it.
        original: Their size.
        bytes: Its size.
        digest: Hash over all names and contents.
        is_verified: Whether reading it again gave the same hash.
    """

    measured: list[Measured]
    path: str = ""
    method: Method = "xz"
    files: int = 0
    original: int = 0
    bytes: int = 0
    digest: str = ""
    is_verified: bool = False


def compare(scanned: Scanned, ctx: StepContext) -> Proposal:
    """Compress a sample by each method."""
    sample = _sample(scanned)
    measured = []
    for method in with_progress(list(_COMPRESSORS), ctx, "methods"):
        began = time.perf_counter()
        ratio = len(_COMPRESSORS[method](sample)) / max(1, len(sample))
        measured.append(Measured(method, ratio, len(sample) / (time.perf_counter() - began)))
    best = min(measured, key=lambda one: one.ratio)
    return Proposal(scanned, measured, best.method, round(scanned.bytes * best.ratio))


def _sample(scanned: Scanned) -> bytes:
    """Return content of files from all over the folder."""
    names, sample = listed(scanned), bytearray()
    step = max(1, scanned.bytes // SAMPLE_BYTES)
    for name in names[::step]:
        sample += content(scanned, name) or b""
    return bytes(sample[:SAMPLE_BYTES])


def propose(proposal: Proposal) -> Interrupt:
    """Ask whether to go on."""
    return Interrupt(proposal, schema=Decision)


def pack(decided: Decided, ctx: StepContext) -> Packed:
    """Write the archive."""
    packed = Packed(decided.measured, method=decided.method)
    if not decided.approved:
        return packed
    path, digest = Path(decided.scanned.job.out, f"archive.tar.{decided.method}"), hashlib.sha256()
    with (
        written(path) as file,
        _OPENERS[decided.method](file, "wb") as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name in with_progress(listed(decided.scanned), ctx):
            data = content(decided.scanned, name)
            if data is None:
                continue
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            digest.update(name.encode("utf-8", "surrogateescape") + data)
            packed.files += 1
            packed.original += len(data)
    packed.path, packed.bytes, packed.digest = readable(str(path)), path.stat().st_size, digest.hexdigest()
    return packed


def verify(packed: Packed, ctx: StepContext) -> Packed:
    """Read the archive again, and compare."""
    if not packed.path:
        return packed
    digest = hashlib.sha256()
    with tarfile.open(packed.path) as archive:
        for done, member in enumerate(archive):
            file = archive.extractfile(member)
            digest.update(member.name.encode("utf-8", "surrogateescape") + (file.read() if file else b""))
            ctx.progress(done, packed.files, "files")
    packed.is_verified = digest.hexdigest() == packed.digest
    if not packed.is_verified:
        raise ValueError(f"{packed.path} is not what was written")
    return packed


ARCHIVE = Process(
    "demo.archive",
    [
        Step("scan", scan, kwargs={"into": "archive"}),
        Step("compare", compare),
        Step("propose", propose),
        Step("pack", pack),
        Step("verify", verify),
    ],
    timeout=3600,
)
