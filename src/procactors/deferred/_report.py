"""What a run did, in numbers."""

from __future__ import annotations

import msgspec


class Report(msgspec.Struct, frozen=True):
    """How many updates came to which end. An update that was consumed is in one of the first three.

    Attributes:
        ran: Ran to their end; their round is committed.
        failed: Raised, or could not be begun or committed; their round is rolled back.
        cancelled: Did nothing, because a transaction that they belonged to was rolled back.
        merged: Were merged into another one instead of running by themselves.
        enqueued: Became a process: after a failure, because the queue was big, or to be durable.
    """

    ran: int = 0
    failed: int = 0
    cancelled: int = 0
    merged: int = 0
    enqueued: int = 0

    def __add__(self, other: Report) -> Report:
        """Return the numbers of both together."""
        return Report(
            self.ran + other.ran,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
            self.merged + other.merged,
            self.enqueued + other.enqueued,
        )


class Counts(msgspec.Struct):
    """The numbers of a scope while it works, from its beginning; see `Report`."""

    ran: int = 0
    failed: int = 0
    cancelled: int = 0
    merged: int = 0
    enqueued: int = 0

    def since(self, earlier: Report) -> Report:
        """Return what was counted after `earlier`."""
        return Report(
            self.ran - earlier.ran,
            self.failed - earlier.failed,
            self.cancelled - earlier.cancelled,
            self.merged - earlier.merged,
            self.enqueued - earlier.enqueued,
        )
