"""What an executor is: a place where prepared steps run, and what a step's run there comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import FrameType

    from procactors.executors.call import PreparedStep
    from procactors.executors.context import StepContext
    from procactors.model.definition import Process


class Returned(msgspec.Struct, frozen=True):
    """The step returned `value`."""

    value: Any


class Raised(msgspec.Struct, frozen=True):
    """The step raised."""

    error: BaseException


class CutShort(msgspec.Struct, frozen=True):
    """The step was cancelled before it was over."""


StepOutcome = Returned | Raised | CutShort


class Ending(msgspec.Struct, frozen=True):
    """How code ended that did not end by itself, or an OS process that ended under it.

    Attributes:
        abandoned: It could not be stopped and was left behind.
        exit_code: What its OS process exited with; None if a signal ended it.
        signal: Name of the signal that ended its OS process.
        stderr: The end of what that wrote to its standard error.
    """

    abandoned: bool = False
    exit_code: int | None = None
    signal: str | None = None
    stderr: str = ""

    def __str__(self) -> str:
        """Say it as the end of a sentence about the step; "" if there is nothing to say."""
        if self.abandoned:
            return "its code could not be stopped and was abandoned"
        if self.signal is not None:
            return f"its OS process was ended by {self.signal}"
        return "" if self.exit_code is None else f"its OS process exited with code {self.exit_code}"


NORMAL = Ending()


class StepRun(Protocol):
    """One attempt, as an executor sees it: where what happens to the running code is noted.

    `progressed` and `beat` may come from any thread, and never block.
    """

    @property
    def plan(self) -> Process:
        """The definition that the step belongs to."""
        ...

    def begun(self) -> None:
        """Take note that the code begins only now: it had to wait for its place."""
        ...

    def progressed(self, done: float, total: float | None, text: str) -> None:
        """Take note of progress, which is also a heartbeat."""
        ...

    def beat(self) -> None:
        """Take note that the step is alive."""
        ...

    def ended(self, ending: Ending) -> None:
        """Take note of how the code ended that was cut short."""
        ...

    def defer(
        self, frame: FrameType, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        """Take a function that is to be called after the step, deferred by the line that `frame` is at.

        From any thread, and never blocks.
        """
        ...

    def at_checkpoint(self, guest: Callable[[Any], Any]) -> None:
        """Let a function write with the checkpoint of this attempt, called with the store's connection."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return what gives the connection of a transaction that is committed with the checkpoint."""
        ...

    def children(self) -> ChildRuns:
        """Return what starts children of the step's process, and waits for them."""
        ...


class ChildRuns(Protocol):
    """Where `ctx.run` and `ctx.gather` go."""

    async def run(self, process: Process, data: Any, key: str | None) -> Any:
        """Start a child, or find it again, and return its output; raises how it ended."""
        ...

    async def gather(self, runs: Sequence[tuple[Any, ...]], limit: int | None = None) -> list[Any]:
        """Run several side by side, at most `limit` at once."""
        ...


class Executor(Protocol):
    """Runs steps."""

    stop_s: float
    """Seconds that it may need to stop a step that is cancelled, besides the time that the step takes."""

    async def run(self, prepared: PreparedStep, data: msgspec.Raw, ctx: StepContext, run: StepRun) -> Any:
        """Run a step to its end, and return what it returned.

        Raises:
            FailedElsewhere: It raised in another OS process, or that one ended under it.
            BaseException: Whatever it raised here.

        Cancellation: the code is stopped, or left behind, as it can be done here; `run.ended` hears how.
        """
        ...
