"""Asks again and again, from the event loop's timer: no task wakes up before there is an answer.

That is what an idle manager does all day, and a task that slept in between would cost twice as much.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def first_answer(ask: Callable[[], T | bool], pause_s: Callable[[], float]) -> T | bool:
    """Call `ask()` after each pause until it returns anything but False, and return that.

    Raises:
        Exception: What `ask` raised.

    Cancellation: safe.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T | bool] = loop.create_future()
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal timer
        if answer.done():  # it was cancelled just now
            return
        try:
            said = ask()
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)
            return
        if said is False:
            timer = loop.call_later(pause_s(), look)
        else:
            answer.set_result(said)

    timer = loop.call_later(pause_s(), look)
    try:
        return await answer
    finally:
        timer.cancel()
        if answer.done() and not answer.cancelled():
            answer.exception()  # or asyncio would complain, if a cancellation came before it was raised
