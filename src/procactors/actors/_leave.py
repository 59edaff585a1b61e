"""A coroutine that can be left behind.

Cancellation asks; a coroutine that catches it and goes on can't be made to end, and the task that runs
it would never end either. `Leavable` stands between the two: it drives the coroutine by hand, so that
`leave()` can stop driving it. The task goes on with what comes after; the coroutine never runs again,
not even its `finally` blocks: what ignored cancellation is not to be trusted with its own end. Whoever
leaves it behind has to see to the cancel scopes and task groups that it had open.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from procactors.actors._host import host_task

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


class LeftBehindError(BaseException):
    """Raised where a `Leavable` is awaited, when its coroutine was left behind."""


class Leavable(Generic[T]):
    """Awaits a coroutine on behalf of one task, until it ends or is left."""

    __slots__ = ("_coroutine", "_is_left", "_task")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Take over `coroutine`, which nobody else may await."""
        self._coroutine = coroutine
        self._is_left = False
        self._task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """Drive the coroutine no further.

        On asyncio its task is woken whatever it waits for; on trio it is left at its next step.
        """
        if not self._is_left:
            self._is_left = True
            if self._task is not None:
                self._task.cancel()

    def __await__(self) -> Generator[Any, Any, T]:
        """Drive the coroutine. Raises LeftBehindError after `leave`."""
        self._task = host_task()
        coroutine = self._coroutine
        resume, argument = coroutine.send, None
        while True:
            try:
                wait = resume(argument)
            except StopIteration as end:
                value: T = end.value
                return value
            try:
                argument = yield wait
                resume = coroutine.send
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 - all of it belongs to the coroutine
                argument = error
                resume = coroutine.throw
            if self._is_left:
                if self._task is not None:
                    self._task.uncancel()
                _keep_for_ever(coroutine)
                raise LeftBehindError


def _keep_for_ever(coroutine: object) -> None:
    """Take a reference that is never given back, not even when the interpreter ends.

    Collecting a coroutine that is suspended runs it once more, to close it; one that catches
    everything and loops would then never let the program end.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
