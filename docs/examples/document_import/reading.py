"""Reads what strangers have uploaded, in an OS process of its own: if that breaks, nothing else does."""

import zipfile
from pathlib import Path

from procactors import Fatal, step

LINES_ON_A_PAGE = 40
TEXT_BYTES_MAX = 20_000_000  # of a ZIP, unpacked
ENDINGS = (".txt", ".md")


@step
def split(data, ctx):
    """Split an upload into pages, a file each."""
    folder = Path(data["folder"])
    folder.mkdir(exist_ok=True)
    pages = [page for text in texts_of(Path(data["upload"])) for page in pages_of(text)]
    for number, page in enumerate(pages, start=1):
        (folder / f"{number:04}.txt").write_text(page, "utf-8")  # a second attempt writes the same
        ctx.progress(number, len(pages), "pages")
    if not pages:
        raise Fatal("there is no text in it")
    return {**data, "pages": len(pages), "beginning": pages[0][:200]}


def texts_of(upload):
    if not zipfile.is_zipfile(upload):
        yield upload.read_text("utf-8", errors="replace")
        return
    with zipfile.ZipFile(upload) as archive:  # the names in it are never used as paths
        members = [member for member in archive.infolist() if member.filename.lower().endswith(ENDINGS)]
        if sum(member.file_size for member in members) > TEXT_BYTES_MAX:
            raise Fatal("it is too large, unpacked")
        for member in members:
            yield archive.read(member).decode("utf-8", errors="replace")


def pages_of(text):
    lines = text.strip().splitlines()
    for start in range(0, len(lines), LINES_ON_A_PAGE):
        yield "\n".join(lines[start : start + LINES_ON_A_PAGE])
