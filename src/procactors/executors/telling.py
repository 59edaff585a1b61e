"""What a step in a worker tells its manager while it runs: progress, signs of life, log records."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from procactors.errors import InvalidDefinitionError
from procactors.executors import wire
from procactors.executors.context import StepContext

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from procactors.executors._executor import ChildRuns, Ending
    from procactors.model.definition import Process

_BEAT_EVERY_S = 0.02
_MESSAGE_CHARS = 65_536

_IN_A_WORKER = frozenset({"pid", "step", "attempt", "idempotency_key", "data", "progress", "heartbeat"})
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({})))
_KEPT_OF_A_RECORD = (
    "created", "filename", "funcName", "levelname", "lineno", "module", "msecs", "pathname", "process",
    "processName", "relativeCreated", "thread", "threadName",
)  # fmt: skip


class Wire:
    """The worker's end of the wire. Sends from any thread; receives in the main one."""

    def __init__(self, end: socket.socket) -> None:
        """Use this socket."""
        self._end = end
        self._frames = wire.Frames()
        self._whole: list[bytes] = []
        self._lock = threading.Lock()

    def send(self, message: wire.FromWorker) -> None:
        """Send a message; waits while the manager is too busy to read."""
        frame = wire.framed(message)
        with self._lock:
            self._end.sendall(frame)

    def receive(self) -> wire.ToWorker | None:
        """Wait for the next message; None: the manager wants no more of this worker, or is gone."""
        while not self._whole:
            piece = self._end.recv(65_536)
            if not piece:
                return None
            self._whole.extend(self._frames.feed(piece))
        order: wire.ToWorker = wire.read_order(self._whole.pop(0))
        return order


class Telling:
    """One step's run, as its context sees it.

    A step may call `progress` a million times a second: only the newest goes to the manager, and only so
    often. What is held back is sent by a timer, so that the last word of a burst arrives too.
    """

    def __init__(self, end: Wire, every_s: float) -> None:
        """Tell through this end of the wire."""
        self._end = end
        self._every_s = every_s
        self._lock = threading.Lock()
        self._held: wire.Progressed | None = None
        self._later: threading.Timer | None = None
        self._progressed_at = float("-inf")
        self._sent_at = float("-inf")
        self._is_over = False

    @property
    def plan(self) -> Process:
        """Not known in a worker."""
        raise NotImplementedError

    def at_checkpoint(self, guest: Callable[[Any], Any]) -> None:
        """Not to be had in a worker; its context says so."""
        raise NotImplementedError

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Not to be had in a worker; its context says so."""
        raise NotImplementedError

    def children(self) -> ChildRuns:
        """Not to be had in a worker; its context says so."""
        raise NotImplementedError

    def begun(self) -> None:
        """Say that the step begins now: its time counts from here."""
        self._end.send(wire.Begun())

    def ended(self, ending: Ending) -> None:
        """Do nothing: nothing is cut short from inside."""

    def progressed(self, done: float, total: float | None, text: str) -> None:
        """Send progress now, or a little later if there has just been some."""
        newest = wire.Progressed(done, total, text)
        with self._lock:
            is_first, self._held = self._held is None, newest
            if is_first and not self._is_over:
                self._send_held_in(self._progressed_at + self._every_s - time.monotonic())

    def beat(self) -> None:
        """Send a sign of life, unless something was sent just now."""
        with self._lock:
            if time.monotonic() - self._sent_at >= _BEAT_EVERY_S:
                self._send(wire.Beat())

    def defer(self, *_: Any) -> None:
        """Not possible from a worker; its context refuses it before."""
        raise NotImplementedError

    def finish(self) -> None:
        """Send what is held, and nothing after it: threads that the step has left belong to no step."""
        with self._lock:
            self._send_held()
            self._is_over = True
            if self._later is not None:
                self._later.cancel()

    def _send_held_in(self, seconds: float) -> None:
        if seconds <= 0:
            self._send_held()
        else:
            self._later = threading.Timer(seconds, self._send_later)
            self._later.daemon = True
            self._later.start()

    def _send_later(self) -> None:
        with self._lock:
            self._send_held()

    def _send_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._progressed_at = time.monotonic()
            self._send(held)

    def _send(self, message: wire.FromWorker) -> None:
        if not self._is_over:
            self._sent_at = time.monotonic()
            self._end.send(message)


class WorkerContext(StepContext):
    """What a step may ask for in a worker; the rest would need the manager, which is elsewhere."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        """Refuse what can't be done from another OS process."""
        if name[0] != "_" and name not in _IN_A_WORKER and hasattr(StepContext, name):
            raise InvalidDefinitionError(
                f"ctx.{name} can't be used in a step with executor='process': it runs in an OS process of its"
                " own, which has only "
                + ", ".join(sorted(_IN_A_WORKER))
                + "; give the step executor='thread'"
                " or 'loop'"
            )
        return super().__getattribute__(name)


class LogToManager(logging.Handler):
    """Hands log records to the manager, which logs them again under the same name and level."""

    def __init__(self, end: Wire) -> None:
        """Hand them over through this end of the wire."""
        super().__init__()
        self._end = end

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record."""
        try:
            self._end.send(wire.Logged(record.name, record.levelno, _fields_of(record)))
        except OSError:  # the manager is gone, and this worker with it
            return
        except Exception:  # noqa: BLE001 - logging never fails a step
            self.handleError(record)


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    values = vars(record)
    fields = {name: values[name] for name in _KEPT_OF_A_RECORD}
    fields |= {name: value for name, value in values.items() if name not in _OF_EVERY_RECORD}
    fields["msg"] = record.getMessage()[:_MESSAGE_CHARS]
    if record.exc_info:
        fields["exc_text"] = logging.Formatter().formatException(record.exc_info)
    if record.stack_info:
        fields["stack_info"] = record.stack_info
    return fields
