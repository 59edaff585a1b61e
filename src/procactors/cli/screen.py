"""A part of the terminal that is drawn again and again while something goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import anyio
from rich.console import Group
from rich.live import Live

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console, RenderableType

_FRAME_S = 0.125


class Screen:
    """Draws while its block runs; what is printed meanwhile appears above.

    The cursor is left visible, and on a line of its own: a program that is killed in between leaves a
    terminal that can be used.
    """

    def __init__(self, console: Console, draw: Callable[[], RenderableType]) -> None:
        """Draw what `draw()` returns."""
        self._console = console
        self._draw = draw
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=console.file.isatty() and not console.stderr
        )

    def __enter__(self) -> Self:
        """Draw for the first time."""
        self._live.start()
        self._console.show_cursor()
        self._update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Draw for the last time; that picture stays."""
        self._live.update(self._draw(), refresh=True)
        self._live.stop()

    def _update(self) -> None:
        self._live.update(Group(self._draw(), ""), refresh=True)

    async def keep_drawing(self) -> None:
        """Draw eight times a second, until cancelled."""
        while True:
            await anyio.sleep(_FRAME_S)
            self._update()
