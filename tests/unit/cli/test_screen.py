"""A part of the terminal that is drawn again and again."""

from __future__ import annotations

import io

import anyio
from rich.console import Console
from rich.text import Text

from procactors.cli.screen import Screen


def console():
    return Console(file=io.StringIO(), force_terminal=True, width=40, height=10, color_system=None)


def test_last_picture_stays_and_the_cursor_is_seen():
    out, pictures = console(), iter(["first", "last"])
    with Screen(out, lambda: Text(next(pictures))):
        assert "first" in out.file.getvalue()
        assert out.file.getvalue().rindex("\x1b[?25h") > out.file.getvalue().rindex("\x1b[?25l")
    text = out.file.getvalue()
    assert text.index("first") < text.index("last")
    assert text.endswith("\x1b[?25h") or text.rstrip("\n").endswith("last")


async def test_picture_is_drawn_anew_until_cancelled():
    out, count = console(), 0
    enough = anyio.Event()

    def draw():
        nonlocal count
        count += 1
        if count == 4:
            enough.set()
        return Text(f"picture {count}")

    with Screen(out, draw) as screen:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(screen.keep_drawing)
            await enough.wait()
            tasks.cancel_scope.cancel()
    assert "picture 4" in out.file.getvalue()
