"""What a step may ask for while it runs."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidDataError, InvalidDefinitionError
from procactors.model.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from procactors.executors._executor import StepRun
    from procactors.model.definition import Process

_TEXT_CHARS = 1000
"""How much of the text of progress is kept."""


class StepContext:
    """The second parameter of a step, if it takes one.

    Attributes:
        pid: The process.
        step: Name of the step.
        attempt: Number of this attempt, counted from 1.
        services: The manager's services, by name.
        data: The step's input, as the first parameter gets it.
    """

    __slots__ = ("_run", "attempt", "data", "pid", "services", "step")

    def __init__(
        self,
        pid: str,
        step: str,
        attempt: int,
        services: Mapping[str, Any],
        run: StepRun,
    ) -> None:
        """Make the context of one attempt; `data` is set when it has been decoded."""
        self.pid = pid
        self.step = step
        self.attempt = attempt
        self.services = services
        self.data: Any = None
        self._run = run

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this step of this process, and for nothing else.

        Hand it to services that understand such keys (payment, mail), as a step may run more than once.
        """
        return f"{self.pid}-{self.step}"

    @property
    def definition(self) -> Process:
        """The definition of the process that the step belongs to."""
        return self._run.plan

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Say how far the step is: `done` of `total`, in any unit, and in `text` what it does.

        Never blocks; also from a thread. Only the newest is kept, and written at most every 0.1 s
        (options.progress_every_s).
        """
        if not isinstance(text, str):
            raise InvalidDataError(
                f"progress(): text must be text, not {shown(text)}",
                pid=self.pid,
                step=self.step,
                attempt=self.attempt,
            )
        whole = None if total is None else self._number("total", total)
        self._run.progressed(self._number("done", done), whole, _storable(text))

    def _number(self, name: str, value: float) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = nan
        if isinstance(value, str) or not isfinite(number):
            raise InvalidDataError(
                f"progress(): {name} must be a finite number, not {shown(value)}",
                pid=self.pid,
                step=self.step,
                attempt=self.attempt,
            )
        return number

    async def run(self, process: Process, data: Any = None, key: str | None = None) -> Any:
        """Run another process as a child of this one, and return its output.

        The child is durable by itself: if this step is run again, after a crash or a failure, it finds its
        child by the key (or the process's name) instead of starting another. A child that has failed goes on
        from its failed step then. While the step waits, its process is `waiting`: it holds no slot, and its
        timeout stands still. When this process ends, for whatever reason, children that are alive are
        cancelled. Only for async steps on the event loop.

        Args:
            process: What to run.
            data: Its input; JSON-able. None: `{}`.
            key: Which child of this step it is. Needed if a step runs the same process twice.

        Raises:
            ProcessFailedError: The child failed.
            ProcessTimedOutError: The child ran into its timeout.
            ProcessCancelledError: The child was cancelled.
            InvalidDefinitionError: The process nests too deep (options.max_depth), or is run for a second
                time without a key.

        Cancellation: safe; the child goes on until this process ends, and is found again by a repeated step.
        """
        return await self._run.children().run(process, data, key)

    async def gather(self, *runs: tuple[Any, ...], limit: int | None = None) -> list[Any]:
        """Run several processes as children, side by side, and return their outputs in order.

        Args:
            runs: A tuple each of the arguments of `run`: `(process, data, key)`; or a process alone.
            limit: How many run at once, >= 1; None: all, as far as the manager has slots.

        Raises:
            ProcessFailedError: The first child that failed did so; the others go on until this process ends.
                For other ends see `run`.

        Cancellation: safe; see `run`.
        """
        if limit is not None and limit < 1:
            raise InvalidDefinitionError(f"step {self.step!r}: limit must be 1 or more, not {limit!r}")
        return await self._run.children().gather(runs, limit)

    def at_checkpoint(self, function: Callable[..., Any], *args: Any) -> None:
        """Have `function(connection, *args)` write in the same transaction as this step's checkpoint.

        So both are done, exactly once, or neither, whatever crashes: the way to write to tables beside those
        of the store. The store's one writer calls the function when the step has returned, with its own
        connection: with SQLite a plain function and a connection of sqlite3, with PostgreSQL an async one and
        a connection of asyncpg. All such functions of a step have 250 ms together, and may neither commit nor
        roll back. If one raises, the attempt fails with that error, and what it wrote is undone. If the
        attempt has failed before, it is not called.

        Args:
            function: A function of the connection and `args`.
            args: Further arguments.

        Raises:
            InvalidDefinitionError: It is not a function.
        """
        if not callable(function):
            raise InvalidDefinitionError(
                f"step {self.step!r}: ctx.at_checkpoint takes a function of a connection, not"
                f" {shown(function)}",
                pid=self.pid,
                step=self.step,
            )
        self._run.at_checkpoint(lambda connection: function(connection, *args))

    @property
    def tx(self) -> AbstractAsyncContextManager[Any]:
        """A transaction of this step's own, which is committed with its checkpoint: PostgreSQL only.

        `async with ctx.tx as connection:` gives a connection of asyncpg to the store's database. What is
        written with it is committed together with the step's checkpoint, exactly once, or not at all. A block
        that raises is undone by itself; if the attempt fails, everything is. Unlike `at_checkpoint` it may
        read, compute and write over the length of the step, which holds a connection of its own meanwhile,
        and the locks of the rows that it has changed. Only for async steps on the event loop.

        Raises:
            InvalidDefinitionError: The store is not in PostgreSQL. (On entering.)
            StoreUnavailableError: It can't be connected to now. (On entering.)
            InvalidStateError: The step is over. (On entering.)
        """
        return self._run.transaction()

    def heartbeat(self) -> None:
        """Say that the step is alive; needed at least every `Step.heartbeat` seconds where that is set.

        Never blocks; also from a thread.
        """
        self._run.beat()

    def defer(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Have `function(*args)` called when the step has returned. Never blocks; also from a thread.

        What is deferred with `stage=Stage.PRESEND` runs before the step's checkpoint, and again if the step
        is run again; the rest runs after the checkpoint, before the next step, and is lost in a crash unless
        `durable=True`: then it is stored in the checkpoint's commit. A failure does not fail the step; it
        is an event of the process. If the step fails, what it deferred is dropped, but for `always=True`.

        Args:
            function: What to call; may be a coroutine function.
            args: Its arguments.
            options: Those of `procactors.deferred.defer`.

        Raises:
            NoDeferredScopeError: The step is over.
        """
        self._run.defer(sys._getframe(1), function, args, options)  # noqa: SLF001 - the caller's line

    def __repr__(self) -> str:
        """Show which attempt this is."""
        return f"<StepContext {self.pid} {self.step} attempt {self.attempt}>"


def _storable(text: str) -> str:
    """Return text that a store can hold, and people will read."""
    return text[:_TEXT_CHARS].encode("utf-8", "backslashreplace").decode()


current_step: ContextVar[StepContext | None] = ContextVar("procactors_current_step", default=None)
"""The context of the step that this code runs in; None outside of steps."""
