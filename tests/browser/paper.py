"""Processes of an imaginary newspaper: what the tests see in the browser."""

from __future__ import annotations

from typing import Literal

import msgspec

from procactors import Interrupt, Process, Step

PAGES = 8


class Decision(msgspec.Struct):
    approved: bool
    channel: Literal["web", "print"] = "web"
    note: str = ""
    copies: int = 100


async def fetch(data):
    return {**data, "words": len(data.get("title", ""))}


async def lay_out(data, ctx, *, turns):
    """Lay out a page for each turn that the test gives."""
    for done in range(1, PAGES + 1):
        await turns.get()
        ctx.progress(done, PAGES, "pages")
    return {**data, "pages": PAGES}


async def ask_editor(data):
    return Interrupt(data, schema=Decision)


async def publish(data):
    return {"url": "/articles/1" if data["approved"] else None, "note": data.get("note", "")}


async def check_spelling(data):
    words = data["title"].split()
    raise LookupError(f"{words[0]!r} is in no dictionary") from KeyError(words[0])


async def hand_on(data, ctx):
    return await ctx.run(NEWS, data)


async def hand_sides_on(data, ctx):
    return await ctx.run(TWO_SIDES, data)


NEWS = Process("news", [fetch, Step("publish", fetch)])
LAYOUT = Process(
    "layout", [fetch, Step("lay out", lay_out, services=["turns"]), Step("store", fetch)], timeout=3600
)
TWO_SIDES = Process(
    "two sides", [Step(f"{side} side", lay_out, services=["turns"]) for side in ("front", "back")]
)
ARTICLE = Process("article", [fetch, Step("review", ask_editor), publish])
SPELLING = Process("spelling", [fetch, Step("check", check_spelling)])
EDITION = Process("edition", [Step("hand on", hand_on)])
SHEET = Process("sheet", [Step("hand on", hand_sides_on)], timeout=3600)
ALL = (NEWS, LAYOUT, TWO_SIDES, ARTICLE, SPELLING, EDITION, SHEET)
