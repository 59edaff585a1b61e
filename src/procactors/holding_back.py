"""The part of the manager that holds queues back: pause, resume, drain, and the state of the queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.engine import queues
from procactors.engine.reading import read
from procactors.opening import Opening

if TYPE_CHECKING:
    from procactors.model.info import QueueInfo


class HoldingBack(Opening):
    """What can be done about all processes of a name at once. Base of `ProcessManager`.

    All of it is kept in the store: it works from a client and from any OS process, holds for all managers,
    and outlives them.
    """

    async def pause(self, name: str | None = None) -> None:
        """Let no process of a name begin to run from now on, on any manager; `resume` ends that.

        What is running goes on. What comes back from a retry, a sleep, an interrupt or a crash waits in the
        queue, and its time stands still. Processes can be started and controlled as usual.

        Args:
            name: Name of the definition. None: all processes; processes under way may still start
                children then, so that they can finish.

        Raises:
            InvalidDefinitionError: No process can have this name.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.

        Cancellation: safe; it was paused, or it was not.
        """
        await queues.pause(self._open_room(), name)

    async def resume(self, name: str | None = None) -> None:
        """Let the processes of a name run again; does nothing if they are not paused.

        Args:
            name: As for `pause`. The pause of a name and that of all are separate: both have to end.

        Raises:
            InvalidDefinitionError: No process can have this name.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.

        Cancellation: safe; it was resumed, or it was not.
        """
        await queues.resume(self._open_room(), name)

    async def drain(self, timeout: float | None = None, *, name: str | None = None) -> None:
        """Pause, and wait until no manager runs anything: before a deploy, or a move of the store.

        The pause stays, even if the timeout passes: `resume` ends it. A process that waits for a child counts
        as running.

        Args:
            timeout: Seconds to wait at most; None: as long as it takes.
            name: As for `pause`.

        Raises:
            TimeoutError: Something still runs; nothing was cancelled.
            InvalidDefinitionError: No process can have this name.
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds.

        Cancellation: safe; it may stay paused.
        """
        await queues.drain(self._open_room(), timeout, name)

    async def queues(self) -> list[QueueInfo]:
        """Return how the processes of each name stand: how many, whether they are paused, their limits.

        The first one, without a name, is of all of them together. Cancellation: safe.
        """
        room = self._open_room()
        return await read(room, room.store.queues)
