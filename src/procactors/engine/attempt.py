"""One attempt of one step: runs the user's code, and can be cut short from outside at any moment."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors._clock import to_datetime
from procactors.executors.context import StepContext, current_step
from procactors.executors.loop import run_on_loop
from procactors.model.event import StepProgressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.engine.room import Room
    from procactors.executors.call import PreparedStep
    from procactors.model.step import Step


_log = logging.getLogger("procactors.engine")


class Returned(msgspec.Struct, frozen=True):
    """The step returned `value`."""

    value: Any


class Raised(msgspec.Struct, frozen=True):
    """The step raised."""

    error: BaseException


class CutShort(msgspec.Struct, frozen=True):
    """The step was cancelled before it was over."""


Result = Returned | Raised | CutShort


class Attempt:
    """Runs once."""

    __slots__ = (
        "_loop_thread", "_newest", "_on_progress", "_room", "_scope", "_sent_at", "attempt",
        "beaten_at", "is_cut", "is_over", "left_thread", "pid", "seq",
        "step",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - built in one place
        self,
        room: Room,
        pid: str,
        step: Step,
        attempt: int,
        seq: int,
        scope: anyio.CancelScope,
        on_progress: Callable[[StepProgressed], None],
    ) -> None:
        """Make attempt number `attempt` of `step`, which event number `seq` has begun.

        `scope` is open around it, and cancelled by `cut`: entering one for each attempt would cost more than
        running a small step.
        """
        self._room = room
        self._on_progress = on_progress
        self._scope = scope
        self._newest: StepProgressed | None = None
        self._sent_at = float("-inf")
        self._loop_thread = threading.get_ident()
        self.pid = pid
        self.step = step
        self.attempt = attempt
        self.seq = seq
        self.beaten_at = room.clock.monotonic()
        self.is_cut = False
        self.is_over = False
        self.left_thread = False

    async def run(self, data: msgspec.Raw) -> Result:
        """Run the step in the calling task. Raises only if the calling task itself is cancelled."""
        ctx = StepContext(self.pid, self.step.name, self.attempt, self._room.services, self)
        current_step.set(ctx)
        try:
            prepared = self._room.catalog.prepared(self.step)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the step, it is the step's
            return Raised(error)
        result = await self._guarded(prepared, data, ctx)
        self.is_over = True
        if self.is_cut and not isinstance(result, Returned) and not prepared.runs_on_loop:
            self.left_thread = True
            _log.warning("step %s of process %s left its thread behind", self.step.name, self.pid)
            self._room.observer.thread_abandoned(self.pid, self.step.name)
        return CutShort() if self.is_cut and not isinstance(result, Returned) else result

    async def _guarded(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext) -> Result:
        try:
            return Returned(await self._executed(prepared, data, ctx))
        except KeyboardInterrupt:
            raise
        except GeneratorExit as error:
            if not _is_in_task():
                raise  # the task itself is thrown away, as its loop is gone
            return Raised(error)
        except anyio.get_cancelled_exc_class() as error:
            if anyio.current_effective_deadline() == float("-inf"):
                if self.is_cut:
                    return CutShort()
                raise  # it is not this step that is cancelled
            return Raised(error)  # the step cancelled itself
        except BaseException as error:  # noqa: BLE001 - SystemExit in a step fails the step
            return Raised(error)

    async def _executed(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext) -> Any:
        if prepared.runs_on_loop:
            return await run_on_loop(prepared, data, ctx, self._room.threads)
        return await self._room.threads.run(lambda: prepared.call(data, ctx))

    def cut(self) -> None:
        """Cancel the step."""
        self.is_cut = True
        self._scope.cancel()

    # What the step says, from any thread.

    def beat(self) -> None:
        """Note a heartbeat."""
        self.beaten_at = self._room.clock.monotonic()

    def progressed(self, done: float, total: float | None, text: str) -> None:
        """Note progress, and send it if the last one is old enough."""
        self.beat()
        at = to_datetime(self._room.clock.wall())
        newest = StepProgressed(
            at=at, seq=self.seq, step=self.step.name, attempt=self.attempt, done=done, total=total, text=text
        )
        waits = self._newest is not None
        self._newest = newest
        if waits:
            return
        if threading.get_ident() == self._loop_thread:
            self._schedule()
        else:
            self._room.call_in_loop(self._schedule)

    def _schedule(self) -> None:
        wait = self._sent_at + self._room.options.progress_every_s - self._room.clock.monotonic()
        if wait <= 0:
            self._send()
        else:
            self._room.call_later(wait, self._send)

    def _send(self) -> None:
        newest, self._newest = self._newest, None
        if newest is not None and not self.is_over:
            self._sent_at = self._room.clock.monotonic()
            self._on_progress(newest)


def _is_in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
