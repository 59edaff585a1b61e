"""Ctrl-C while a manager runs in this program: the first one closes it gracefully, the second ends it."""

from __future__ import annotations

import os
from signal import SIGINT, SIGTERM, Signals
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class StoppedError(Exception):
    """The program was told to stop, and did.

    Attributes:
        exit_code: What a shell expects of a program that was ended by this signal.
    """

    def __init__(self, signal: Signals) -> None:
        """Note which signal it was."""
        super().__init__(signal.name)
        self.exit_code = 128 + signal


async def until_stopped(work: Callable[[], Awaitable[T]], announce: Callable[[], None]) -> T:
    """Do the work; SIGINT and SIGTERM cancel it, a second one ends the program at once.

    Args:
        work: What to do; it cleans up when it is cancelled.
        announce: Called at the first signal, to tell the person what happens now.

    Raises:
        StoppedError: A signal came.

    Cancellation: cancels the work.
    """
    heard: list[Signals] = []
    results: list[T] = []
    with anyio.open_signal_receiver(SIGINT, SIGTERM) as signals:

        async def listen(working: anyio.CancelScope) -> None:
            async for signal in signals:
                if heard:
                    os._exit(128 + signal)  # as after kill -9: every checkpoint is in the store
                heard.append(signal)
                announce()
                working.cancel()

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as working:
                tasks.start_soon(listen, working)
                results.append(await work())
            tasks.cancel_scope.cancel()
    if not results:
        raise StoppedError(heard[0])
    return results[0]
