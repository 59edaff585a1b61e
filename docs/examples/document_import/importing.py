"""The process: an upload is split into pages, counted with progress, reviewed by a person, and published."""

import os
from pathlib import Path

import msgspec
import shelf
from anyio import sleep, to_thread
from outbox import write_mail
from reading import split

from procactors import Interrupt, Process, Retry, Step
from procactors.deferred import Stage

SECONDS_A_PAGE = float(os.environ.get("SECONDS_A_PAGE", "0.2"))  # as if a slow service read them
WEEK_S = 7 * 86_400


class Decision(msgspec.Struct):
    approved: bool
    note: str = ""


async def count(data, ctx):
    """Count the words of each page. What an attempt before this one has counted is there already."""
    words = found = 0
    for number in range(1, data["pages"] + 1):
        page = Path(data["folder"], f"{number:04}.txt")
        counted, is_found = await to_thread.run_sync(count_page, page)
        words, found = words + counted, found + is_found
        ctx.progress(number, data["pages"], "pages")
        if not is_found:
            await sleep(SECONDS_A_PAGE)
    return {**data, "words": words, "found_counted": found}


def count_page(page):
    """Return how many words are on a page, and whether that was known."""
    kept = page.with_suffix(".count")
    if kept.exists():
        return int(kept.read_text()), True
    words = len(page.read_text("utf-8").split())
    draft = page.with_suffix(".draft")
    draft.write_text(str(words))
    draft.replace(kept)  # whole, or not at all
    return words, False


async def review(data):
    """Ask the editor; no answer in a week is a no."""
    question = {key: data[key] for key in ("document", "name", "folder", "pages", "words", "beginning")}
    return Interrupt(question, schema=Decision, timeout=WEEK_S, on_timeout={"approved": False})


async def publish(data, ctx):
    """Publish it: the row changes in the checkpoint's own transaction, so exactly once."""
    if data["approved"]:
        ctx.at_checkpoint(shelf.publish, data["document"], data["pages"], data["words"])
    ctx.defer(shelf.count_shelf, stage=Stage.POSTSEND)  # after the checkpoint
    verdict = "published" if data["approved"] else f"refused: {data.get('note') or 'no reason given'}"
    ctx.defer(write_mail, "author", f"{data['name']} was {verdict}", durable=True)
    return {"published": data["approved"]}


IMPORT = Process(
    "import document",
    [
        Step("split", split, executor="process", timeout=60, retry=Retry(2, on=["StepCrashedError"])),
        Step("count", count),
        Step("review", review),
        Step("publish", publish),
    ],
    timeout=3600,
    keep=30 * 86_400,
)
