"""One key from the person at the terminal, without keeping the rest of the program waiting."""

from __future__ import annotations

import os
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


def has_person() -> bool:
    """Tell whether somebody can be asked: standard input is a terminal, and this program is in front."""
    try:
        terminal = sys.stdin.fileno()
        return os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


async def yes_or_no() -> bool:
    """Wait until y or n is pressed. Nothing is echoed, and what else is typed is dropped.

    Cancellation: safe; the terminal is as it was before.
    """
    terminal = sys.stdin.fileno()
    with _single_keys(terminal):
        while True:
            await anyio.wait_readable(terminal)
            for key in os.read(terminal, 64).decode("ascii", "replace").lower():
                if key in {"y", "n"}:
                    return key == "y"


@contextmanager
def _single_keys(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
