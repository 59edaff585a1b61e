"""A store with faults on command: it fails, is slow, or goes down in the middle of a commit."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal

import anyio

from procactors.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from procactors.stores import Store
    from procactors.stores._batch import Operation, Outcome


When = Literal["before", "after"]
"""Before or after a commit is durable."""


class SimulatedStore:
    """Wraps a store; all that is not said here goes through to it.

    Attributes:
        commits: How many transactions were tried.
        has_crashed: Whether a crash that was ordered has happened. From then on the store is down, until
            `reboot`.
        is_away: Set to true, nothing can be read or written, as while a database is restarted, until it is
            set to false.
        on_crash: Called when it happens, to end a manager then.
    """

    def __init__(self, inner: Store) -> None:
        """Behave as `inner` does, until told otherwise."""
        self._inner = inner
        self._crash_at: tuple[int, When] | None = None
        self._failures = 0
        self._delay_s = 0.0
        self.commits = 0
        self.has_crashed = False
        self.is_away = False
        self.on_crash: Callable[[], object] = _nothing

    def __getattr__(self, name: str) -> Any:
        """Behave as the store behind it."""
        found = getattr(self._inner, name)
        return self._reachable(found) if inspect.iscoroutinefunction(found) and name != "close" else found

    def _reachable(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any) -> Any:
            self._refuse_if_away()
            return await method(*args)

        return call

    def _refuse_if_away(self) -> None:
        if self.is_away:
            raise StoreUnavailableError("the simulated store is away")

    # Faults.

    def crash_at(self, commit: int, when: When) -> None:
        """Go down at a commit, before or after it is durable; `commit` counts from 1, from now on."""
        self._crash_at = (self.commits + commit, when)

    def fail(self, times: int) -> None:
        """Fail the next `times` commits, as a store does that is locked or full; nothing is written."""
        self._failures = times

    def delay(self, seconds: float) -> None:
        """Let each commit take so many seconds more."""
        self._delay_s = seconds

    def reboot(self) -> None:
        """Work again after a crash, and forget every order."""
        self._crash_at = None
        self._failures = 0
        self.has_crashed = False
        self.is_away = False

    # The store.

    async def commit(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Commit, or fail as ordered. Cancellation: as the store behind it."""
        self.commits += 1
        number = self.commits
        if self._delay_s:
            await anyio.sleep(self._delay_s)
        self._refuse_if_away()
        if self.has_crashed:
            raise StoreUnavailableError("the simulated store is down")
        if self._failures:
            self._failures -= 1
            raise StoreUnavailableError("the simulated store fails as ordered")
        self._crash_if_ordered(number, "before")
        outcomes = await self._inner.commit(operations)
        self._crash_if_ordered(number, "after")
        return outcomes

    def _crash_if_ordered(self, number: int, when: When) -> None:
        if self._crash_at == (number, when):
            self.has_crashed = True
            self.on_crash()
            raise StoreUnavailableError("the simulated store went down")


def _nothing() -> None:
    """Nobody wants to know."""
