"""Runs an update in the context in which it was deferred, and in the level that is its own.

Context variables belong to a task, so a coroutine would see those of the task that drives it.
`InContext` drives it step by step within another context instead: no task is made, and cancellation,
timeouts and task groups work as in the driving task.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from procactors.deferred._current import CURRENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from contextvars import Context

    from procactors.deferred._current import Place


class InContext:
    """Awaits a coroutine, each of its steps within `context`."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> None:
        """Take over `coroutine`, which nobody else may await."""
        self._coroutine = coroutine
        self._context = context

    def __await__(self) -> Generator[Any, Any, Any]:
        """Drive the coroutine to its end."""
        run, send, throw = self._context.run, self._coroutine.send, self._coroutine.throw
        resume: Callable[[Any], Any] = send
        argument: Any = None
        while True:
            try:
                wait = run(resume, argument)
            except StopIteration as end:
                return end.value
            try:
                argument = yield wait
                resume = send
            except GeneratorExit:
                run(self._coroutine.close)
                raise
            except BaseException as error:  # noqa: BLE001 - all of it belongs to the coroutine
                argument = error
                resume = throw


def enter(place: Place, run: Callable[[], Any]) -> Any:
    """Call `run()` in that queue and level; to be called within the update's own context."""
    CURRENT.set(place)
    return run()


def within(context: Context | None, result: Awaitable[Any]) -> Awaitable[Any]:
    """Return what to await for what an update's `run` returned; a coroutine is driven within `context`."""
    if context is not None and type(result) is CoroutineType:
        return InContext(result, context)
    return result
