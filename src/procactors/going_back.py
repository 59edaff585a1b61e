"""The part of the manager that goes back: retry, skip, rewind and fork, by pid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procactors._ids import checked_pid
from procactors.engine import restarts
from procactors.opening import Opening

if TYPE_CHECKING:
    from procactors.handle import ProcessHandle


class GoingBack(Opening):
    """What can be done about a process that did not go as it should. Base of `ProcessManager`.

    All of it works from a client and from any OS process on the store; which of the managers then
    runs the process is left to them. A process that a manager runs at the moment can only be forked.
    """

    def handle(self, pid: str) -> ProcessHandle:
        """Return a handle to process `pid`."""
        raise NotImplementedError

    async def retry(self, pid: str) -> None:
        """Go on with process `pid`, which failed or timed out, from its failed step.

        Its timeout starts anew, and failed attempts no longer count against `Retry`; their numbers go on.

        Raises:
            InvalidStateError: It has not failed.
            KeyConflictError: Its key is held by another process by now.
            UnknownProcessError: There is no such process.

        Cancellation: safe; it was done, or it was not.
        """
        await restarts.retry(self._open_room(), checked_pid(pid))

    async def skip(self, pid: str, step: str) -> None:
        """Go on behind a step that failed, or that blocks its process: its input becomes its output.

        With no step left the process is finished. Its timeout starts anew.

        Args:
            pid: The process; failed or blocked.
            step: The step at which it stands.

        Raises:
            InvalidStateError: It is neither failed nor blocked, or not at this step.
            KeyConflictError: Its key is held by another process by now.
            UnknownProcessError: There is no such process.

        Cancellation: safe; it was done, or it was not.
        """
        await restarts.skip(self._open_room(), checked_pid(pid), step)

    async def rewind(self, pid: str, step: str) -> None:
        """Run a process again from a step on, with the input that this step had.

        What those steps returned is forgotten, except in the history, which goes on. Its timeout starts anew.

        Args:
            pid: The process; ended, or free: queued, sleeping, interrupted or blocked.
            step: A step that has begun before, or the one at which it stands.

        Raises:
            InvalidStateError: A manager runs it now, or there is no such step, or it has not begun.
            KeyConflictError: Its key is held by another process by now.
            UnknownProcessError: There is no such process.

        Cancellation: safe; it was done, or it was not.
        """
        await restarts.rewind(self._open_room(), checked_pid(pid), step)

    async def fork(self, pid: str, step: str, data: Any = None) -> ProcessHandle:
        """Start a new process with the same plan, from a step on; return a handle to it.

        The steps before that one are shown as completed. The fork has the priority and the tags of the
        original, but no key.

        Args:
            pid: The process to fork, whatever its status.
            step: Where the new one begins.
            data: The input of that step; JSON-able. None: what it was in the process that is forked.

        Raises:
            InvalidStateError: There is no such step, or it has no recorded input and no data was given.
            InvalidDataError: The data is not JSON-able, or too large (PayloadTooLargeError).
            UnknownProcessError: There is no such process.

        Cancellation: safe; the new process was stored, or it was not.
        """
        return self.handle(await restarts.fork(self._open_room(), checked_pid(pid), step, data))
