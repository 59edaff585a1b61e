"""What `ctx.tx` is: a step's own transaction in the store's database, which ends with its checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from procactors.errors import InvalidStateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from procactors.stores import StepTransaction


class OwnTransaction:
    """Begins when it is first entered. A block of it that raises is undone; the rest stays.

    Attributes:
        begun: The store's part of it; None until there is something that could be written.
    """

    __slots__ = ("_begin", "_block", "_is_over", "_turn", "begun")

    def __init__(self, begin: Callable[[], Awaitable[StepTransaction]]) -> None:
        """Begin with `begin`, if at all."""
        self._begin = begin
        self._turn = anyio.Lock()
        self._block: AbstractAsyncContextManager[Any] | None = None
        self._is_over = False
        self.begun: StepTransaction | None = None

    async def __aenter__(self) -> Any:
        """Return the connection. Tasks of one step that want it wait for each other.

        Raises:
            InvalidDefinitionError: The store can't have such transactions.
            InvalidStateError: The step is over.

        Cancellation: safe; it is not entered then.
        """
        await self._turn.acquire()
        try:
            self._check_it_runs()
            self.begun = self.begun or await self._begin()
            block = self.begun.nested()
            await block.__aenter__()
        except BaseException:
            self._turn.release()
            raise
        self._block = block
        return self.begun.connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Keep what was written for the checkpoint, or undo it. Cancellation: the transaction is lost."""
        block, self._block = self._block, None
        assert block is not None
        try:
            await block.__aexit__(kind, error, traceback)
        finally:
            self._turn.release()

    def _check_it_runs(self) -> None:
        if self._is_over:
            raise InvalidStateError("the step is over: nothing more can be written with it")

    def end(self) -> None:
        """Let nobody enter any more: the step is over."""
        self._is_over = True

    def drop(self) -> None:
        """Roll back all that was not committed."""
        if self.begun is not None:
            self.begun.drop()
