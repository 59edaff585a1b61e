"""A process as the store has it, and what is decided on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from procactors.model.definition import Process
from procactors.model.event import ProcessEvent, ProcessInterrupted
from procactors.model.event_body import decode_body
from procactors.model.state import ProcessState

if TYPE_CHECKING:
    from procactors.errors import ErrorInfo


class Record(msgspec.Struct, frozen=True, gc=False):
    """A process as the store has it.

    Attributes:
        id: The store's own number of it.
        owner: The manager that runs it now; None: it is free.
        epoch: What a write has to name to be let in.
        state: What its events fold into.
        plan: The definition that it carries.
        data: What `state.data_seq` points to: the next step's input, or the output; encoded.
        error_body: Stored body of the event that `state.error_seq` points to, if to any.
        interrupt_body: The same of `state.interrupt_seq`.
        cancel_reason: Reason of the cancel that waits for its owner; None: none waits.
        group: What `max_per_group` counts.
    """

    id: int
    pid: str
    name: str
    key: str | None
    tags: tuple[str, ...]
    priority: int
    parent_pid: str | None
    depth: int
    owner: int | None
    owner_name: str | None
    epoch: int
    created_at: float
    progress: str | None
    state: ProcessState
    plan: Process
    data: msgspec.Raw
    error_body: str | None = None
    interrupt_body: str | None = None
    cancel_reason: str | None = None
    group: str | None = None

    def error(self) -> ErrorInfo | None:
        """Return the error in the event that `state.error_seq` points to; None: it points to none."""
        if self.error_body is None:
            return None
        event = decode_body(self.error_body, self.pid, self.state.error_seq, 0)
        error: ErrorInfo | None = getattr(event, "error", None)
        return error

    def question(self) -> ProcessInterrupted:
        """Return the open question of an interrupted process."""
        assert self.interrupt_body is not None
        question = decode_body(self.interrupt_body, self.pid, self.state.interrupt_seq, 0)
        assert isinstance(question, ProcessInterrupted)
        return question


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What is to happen to a process: these events, which lead to this state."""

    events: tuple[ProcessEvent, ...]
    state: ProcessState


Decide = Callable[[Record, float], Decision | None]
"""Decides on a process at a moment (seconds since 1970 by the store's clock). None: leave it as it is.
Pure, and called in the store's own thread."""
