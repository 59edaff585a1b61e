"""Every exception of the library.

Sorted by what the caller can do about it: your call was wrong, your process ended, try again later,
this store is not ours to use, the actor runtime, deferred updates. The first line of a class's
docstring is its default message and names the cure. Fields (`pid`, `step`, `attempt`) say what it
was about, so that a program needs no text to find out.
"""

from __future__ import annotations

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True):
    """What went wrong in a process, as data that outlives the program in which it happened.

    Attributes:
        type: Name of the exception's class.
        module: The module of that class; "" for Python's own.
        message: What the exception said.
        traceback: The traceback as Python prints it; "" if there is none.
        step: The step in which it happened; None outside of steps.
        attempt: The attempt of that step, counted from 1.
        cause: The error that led to this one (`raise ... from ...`), and so on.
        exit_code: What a subprocess exited with.
        signal: Name of the signal that ended a subprocess.
        stderr: The end of what a subprocess wrote to its standard error.
        abandoned: True if the code that was running ignored its end and was left behind.
    """

    type: str
    message: str = ""
    module: str = ""
    traceback: str = ""
    step: str | None = None
    attempt: int | None = None
    cause: ErrorInfo | None = None
    exit_code: int | None = None
    signal: str | None = None
    stderr: str = ""
    abandoned: bool = False

    def __str__(self) -> str:
        """Return one line: type and message."""
        return f"{self.type}: {self.message}" if self.message else self.type


class ProcactorsError(Exception):
    """Something went wrong in procactors; the error's class says what.

    Attributes:
        pid: The process it is about, if any.
        step: The name of the step it is about, if any.
        attempt: The attempt of that step, counted from 1, if any.
    """

    def __init__(
        self,
        message: str = "",
        *,
        pid: str | None = None,
        step: str | None = None,
        attempt: int | None = None,
    ) -> None:
        """Make the error; without a message the class's own first line is the message."""
        super().__init__(message or self._default_message())
        self.pid = pid
        self.step = step
        self.attempt = attempt

    @classmethod
    def _default_message(cls) -> str:
        return (cls.__doc__ or cls.__name__).partition("\n")[0]


# Your call was wrong: nothing was changed; call differently.


class UnknownProcessError(ProcactorsError, LookupError):
    """No process has this pid; it may have been deleted by retention after it ended."""


class InvalidStateError(ProcactorsError):
    """The process's status does not allow this; read `manager.info(pid).status` first."""


class NotInterruptedError(InvalidStateError):
    """The process is not interrupted, so there is nothing to proceed; wait for ProcessInterrupted."""


class KeyConflictError(ProcactorsError):
    """A process with this key exists; use on_conflict="return" to get it, or another key."""


class InvalidDefinitionError(ProcactorsError, ValueError):
    """The definition of the process is not valid; correct what the message names."""


class StepNotResolvableError(ProcactorsError, LookupError):
    """A step's reference can't be resolved here; mark it with @step or name its module in `modules=`."""


class InvalidDataError(ProcactorsError, ValueError):
    """The data does not fit; it has to be JSON-able and match the type that is asked for."""


class PayloadTooLargeError(InvalidDataError):
    """The data is larger than the limit; store it elsewhere and pass its path, key or URL instead."""


class HistoryGoneError(ProcactorsError, LookupError):
    """Retention has deleted events after the position asked for; subscribe from a later one."""


# Your process ended, and not by finishing.


class ProcessEndedError(ProcactorsError):
    """The process ended without an output; its subclass says how.

    Attributes:
        error: What went wrong in it (step, type, message, traceback, cause), if anything did.
    """

    def __init__(
        self,
        message: str = "",
        *,
        pid: str | None = None,
        step: str | None = None,
        attempt: int | None = None,
        error: ErrorInfo | None = None,
    ) -> None:
        """Make the error of process `pid`; `error` is its own account of its end.

        `step` and `attempt` say where it ended; without a `message` the class's first line is taken.
        """
        super().__init__(message, pid=pid, step=step, attempt=attempt)
        self.error = error


class ProcessFailedError(ProcessEndedError):
    """The process failed; look at `.error`, fix the cause and call `manager.retry(pid)`."""


class ProcessTimedOutError(ProcessEndedError):
    """The process ran into its timeout; give it a longer `timeout=` or make its steps shorter."""


class ProcessCancelledError(ProcessEndedError):
    """The process was cancelled.

    Attributes:
        reason: What the canceller gave as its reason; "" if it gave none.
    """

    reason: str = ""


class StepCrashedError(ProcactorsError):
    """The OS process of a step ended under it; see exit code or signal, and the end of its stderr.

    Found in `info.error` and in `Retry(on=...)`; nothing raises it.
    """


# Raised by user code to steer the engine.


class Fatal(ProcactorsError):  # noqa: N818 - a signal to the engine, named as users say it
    """Raised by a step: this attempt failed and no retry can help, whatever the step's `Retry` says."""


class RetryAfter(ProcactorsError):  # noqa: N818 - a signal to the engine, named as users say it
    """Raised by a step: try again after so many seconds; costs no attempt and needs no `Retry`.

    Attributes:
        seconds: How long to wait, at least, >= 0.
    """

    def __init__(self, seconds: float, message: str = "") -> None:
        """Ask for another try of this step in `seconds` seconds; `message` says why, for people."""
        if not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            problem = f"RetryAfter(seconds) must be 0 or more, and finite, not {seconds!r}"
            raise ValueError(problem)
        super().__init__(message or f"try again after {seconds:g} s")
        self.seconds = float(seconds)


# Try again later.


class StoreUnavailableError(ProcactorsError):
    """The store can't be used now (locked, full, unreachable); what was acknowledged is safe."""


class OwnershipLostError(ProcactorsError):
    """Another manager owns this process now; what this one wanted to write was not written."""


# The store is not ours to use.


class InvalidStoreError(StoreUnavailableError):
    """The URL does not name a store that can be used; correct the URL or the file."""


class SchemaTooNewError(InvalidStoreError):
    """The store was made by a newer version of procactors; upgrade this program, or use another store."""


# The actor runtime.


class ActorError(ProcactorsError):
    """Something went wrong between actors."""


class AskTimeoutError(ActorError, TimeoutError):
    """The actor did not answer before the deadline; what was asked may still be done."""


class ActorStoppedError(ActorError):
    """The actor has stopped and will not answer; ask its supervisor for its successor."""


class MailboxFullError(ActorError):
    """The mailbox's lane is full; use `ask`, which waits for room, or send less."""


class AskCycleError(ActorError):
    """The actor asked is already waiting, directly or not, for the asker: both would wait for ever."""


# Deferred updates.


class DeferredError(ProcactorsError):
    """Something is wrong with the way in which updates are deferred or run."""


class IllegalRecursionError(DeferredError):
    """An update may run others only from a transaction-round-defining update; defer them instead."""


class RoundPendingError(DeferredError):
    """A transaction round is open or writes are pending; commit or roll back before running updates."""


class NoDeferredScopeError(DeferredError):
    """No scope is open here; use a request below DeferredMiddleware, a step, or `deferred_scope()`."""
