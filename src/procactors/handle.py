"""What `start` returns: a process by its pid, with the manager's verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self

if TYPE_CHECKING:
    from procactors.engine.subscription import EventStream
    from procactors.model.info import ProcessInfo


class _Manager(Protocol):
    async def result(self, pid: str, timeout: float | None = None) -> Any: ...
    async def info(self, pid: str) -> ProcessInfo: ...
    async def proceed(self, pid: str, data: Any = None) -> str: ...
    async def cancel(self, pid: str, *, reason: str = "") -> bool: ...
    async def retry(self, pid: str) -> None: ...
    async def skip(self, pid: str, step: str) -> None: ...
    async def rewind(self, pid: str, step: str) -> None: ...
    async def fork(self, pid: str, step: str, data: Any = None) -> ProcessHandle: ...
    def subscribe(self, pid: str | None = None, *, after: int | None = None) -> EventStream: ...


class ProcessHandle:
    """One process, wherever it runs. Cheap; holds nothing but the pid.

    Attributes:
        pid: Its id, 32 hex digits.
    """

    __slots__ = ("_manager", "pid")

    def __init__(self, manager: _Manager, pid: str) -> None:
        """Refer to process `pid` through `manager`."""
        self._manager = manager
        self.pid = pid

    async def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the output; see `ProcessManager.result`.

        Cancellation: safe; the process goes on.
        """
        return await self._manager.result(self.pid, timeout)

    async def info(self) -> ProcessInfo:
        """Return how the process stands; see `ProcessManager.info`. Cancellation: safe."""
        return await self._manager.info(self.pid)

    async def proceed(self, data: Any = None) -> str:
        """Answer its interrupt; see `ProcessManager.proceed`.

        Cancellation: safe; the answer was taken, or it was not.
        """
        return await self._manager.proceed(self.pid, data)

    async def cancel(self, reason: str = "") -> bool:
        """Cancel it; see `ProcessManager.cancel`.

        Cancellation: safe; the request was stored, or it was not.
        """
        return await self._manager.cancel(self.pid, reason=reason)

    async def retry(self) -> None:
        """Go on from its failed step; see `ProcessManager.retry`.

        Cancellation: safe; it was done, or it was not.
        """
        await self._manager.retry(self.pid)

    async def skip(self, step: str) -> None:
        """Go on behind a step that failed or blocks; see `ProcessManager.skip`.

        Cancellation: safe; it was done, or it was not.
        """
        await self._manager.skip(self.pid, step)

    async def rewind(self, step: str) -> None:
        """Run it again from a step on; see `ProcessManager.rewind`.

        Cancellation: safe; it was done, or it was not.
        """
        await self._manager.rewind(self.pid, step)

    async def fork(self, step: str, data: Any = None) -> ProcessHandle:
        """Start a new process like it from a step on; see `ProcessManager.fork`.

        Cancellation: safe; the new process was stored, or it was not.
        """
        return await self._manager.fork(self.pid, step, data)

    def subscribe(self, *, after: int | None = None) -> EventStream:
        """Follow its events; see `ProcessManager.subscribe`."""
        return self._manager.subscribe(self.pid, after=after)

    def __eq__(self, other: object) -> bool:
        """Two handles are equal when they mean the same process."""
        return isinstance(other, ProcessHandle) and other.pid == self.pid

    def __hash__(self) -> int:
        """Hash by pid."""
        return hash(self.pid)

    def __copy__(self) -> Self:
        """Return itself."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return itself: what it stands for is not copied with what holds it."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        problem = "a handle can't be pickled: hand on its pid, and ask a manager there for its handle"
        raise TypeError(problem)

    def __repr__(self) -> str:
        """Show the pid."""
        return f"ProcessHandle({self.pid!r})"
