"""A scope whose queue is made when something is first deferred into it: unused, it costs next to nothing.

Nearly every request and every step defers nothing. What is around them makes such a scope current and
asks at the end whether there is a queue at all.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from procactors.deferred._current import CURRENT
from procactors.errors import NoDeferredScopeError

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from procactors.deferred._current import Place
    from procactors.deferred._queue import DeferredUpdates

_MAKING = Lock()
"""Guards the making of queues: `defer` may be called from any thread."""


class LazyScope:
    """Base class of what is made current around a piece of work, by a `with` block.

    A subclass says how the queue is made. For those who write a middleware, or another engine, of their own.
    """

    updates: DeferredUpdates | None = None
    """The queue; None until something is deferred."""
    is_over = False
    """True once what the scope is around is over: what comes later has nobody to run it by the way."""
    _token: Token[Place | LazyScope | None]

    def __enter__(self) -> Self:
        """Make it the scope that `defer` means."""
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Make current what was so before."""
        CURRENT.reset(self._token)
        del self._token  # it holds the context, and that what holds this: a cycle

    def make(self) -> DeferredUpdates:
        """Make the queue. Called once, from any thread."""
        raise NotImplementedError

    def late(self, updates: DeferredUpdates) -> None:
        """Take care of a queue that was made when the scope was over, or just then. From any thread.

        Raises:
            NoDeferredScopeError: It is too late.
        """
        raise NotImplementedError

    def open(self) -> DeferredUpdates:
        """Return the queue, which is made if need be.

        Raises:
            NoDeferredScopeError: The scope is over.
        """
        with _MAKING:
            updates = self.updates
            if updates is None:
                updates = self.updates = self.make()
                if self.is_over:  # looked at when the queue can be seen; `end` does it the other way round
                    try:
                        self.late(updates)
                    except NoDeferredScopeError:
                        self.updates = None
                        raise
            return updates

    def end(self) -> DeferredUpdates | None:
        """Note that what the scope is around is over; return its queue, if it has come to have one."""
        self.is_over = True
        return self.updates

    @classmethod
    def current(cls) -> Self | None:
        """Return the scope of this class that the caller is in, outside of updates; None: it is in none."""
        place = CURRENT.get()
        return place if isinstance(place, cls) else None
