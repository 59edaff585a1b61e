"""What a process that is undone still has to do, and what comes when it is done."""

from __future__ import annotations

import msgspec

from procactors.model.status import ProcessStatus


class Undo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a process ends once its completed steps are undone, and where it stood.

    Attributes:
        end: The status that it ends with.
        reason: Why it was cancelled.
        error_seq: The event that holds the error for which it is undone; 0: it was cancelled.
        data_seq: What the state's fields of the same names were before.
        attempt: The same.
        next_attempt: The same.
    """

    end: ProcessStatus
    reason: str = ""
    error_seq: int = 0
    data_seq: int = 1
    attempt: int = 0
    next_attempt: int = 1
