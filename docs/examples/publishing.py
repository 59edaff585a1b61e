"""What all examples run: an article is rendered, waits for an editor's decision, and is published."""

import msgspec

from procactors import Interrupt, Process


class Decision(msgspec.Struct):
    approved: bool
    note: str = ""


async def render(data, ctx):
    words = data["title"].split()
    for done, _word in enumerate(words, start=1):
        ctx.progress(done, total=len(words), text="words")
    return {"title": data["title"], "slug": "-".join(words).lower()}


async def review(data):
    return Interrupt(data, schema=Decision, timeout=7 * 86_400, on_timeout={"approved": False})


async def publish(data):
    return {"url": f"/{data['slug']}"} if data["approved"] else {"url": None, "note": data.get("note", "")}


PUBLISH = Process("publish", [render, review, publish])
