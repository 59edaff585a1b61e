"""A store with faults on command: it fails, is slow, or goes down in the middle of a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import anyio

from procactors.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.stores import Store
    from procactors.stores._batch import Operation, Outcome


class SimulatedStore:
    """Wraps a store; all that is not said here goes through to it.

    Attributes:
        commits: How many transactions were tried.
        crashed: Set when a crash that was ordered has happened. From then on every commit fails, until
            `reboot`.
    """

    def __init__(self, inner: Store) -> None:
        """Behave as `inner` does, until told otherwise."""
        self._inner = inner
        self._crash_at: tuple[int, Literal["before", "after"]] | None = None
        self._failures = 0
        self._delay_s = 0.0
        self.commits = 0
        self.crashed = anyio.Event()

    def __getattr__(self, name: str) -> Any:
        """Behave as the store behind it."""
        return getattr(self._inner, name)

    # Faults.

    def crash_at(self, commit: int, when: Literal["before", "after"]) -> None:
        """Go down at a commit, before or after it is durable; `commit` counts from 1, from now on."""
        self._crash_at = (self.commits + commit, when)

    def fail(self, times: int) -> None:
        """Fail the next `times` commits, as a store does that is locked or full; nothing is written."""
        self._failures = times

    def delay(self, seconds: float) -> None:
        """Let each commit take so many seconds more."""
        self._delay_s = seconds

    def reboot(self) -> None:
        """Work again after a crash."""
        self._crash_at = None
        self.crashed = anyio.Event()

    # The store.

    async def commit(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Commit, or fail as ordered. Cancellation: as the store behind it."""
        self.commits += 1
        if self._delay_s:
            await anyio.sleep(self._delay_s)
        if self.crashed.is_set():
            raise StoreUnavailableError("the simulated store is down")
        if self._failures:
            self._failures -= 1
            raise StoreUnavailableError("the simulated store fails as ordered")
        point = self._crash_at
        if point == (self.commits, "before"):
            self._crash()
        outcomes = await self._inner.commit(operations)
        if point == (self.commits, "after"):
            self._crash()
        return outcomes

    def _crash(self) -> None:
        self.crashed.set()
        raise StoreUnavailableError("the simulated store went down")
