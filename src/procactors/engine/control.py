"""What users want of processes: proceed, cancel. On free ones directly, else by a command.

A free process is changed by whoever wants it, in one transaction: read, decide, write. For one that has an
owner a command is left, which its owner applies in the commit of the event that results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors._clock import to_datetime
from procactors.engine.decisions import ending, pausing
from procactors.engine.messages import Write
from procactors.engine.reading import read, record_of, unknown
from procactors.errors import (
    InvalidDataError,
    NotInterruptedError,
    ProcactorsError,
    StepNotResolvableError,
)
from procactors.model.interrupt import merged, misfit, resolve_schema
from procactors.model.payload import encode
from procactors.model.status import ProcessStatus
from procactors.model.text import problem_of
from procactors.stores import _batch as b

if TYPE_CHECKING:
    from procactors.engine.room import Room
    from procactors.model.event import ProcessInterrupted
    from procactors.stores._record import Decide, Decision, Record

_PROCEED = "proceed"


async def change(room: Room, pid: str, decision: Decide, command: tuple[str, bytes] | None = None) -> Any:
    """Decide on a process, or leave a command for its owner; return the outcome.

    Raises:
        UnknownProcessError: There is no such process.
        StoreUnavailableError: The store could not be used in time; it may have been done all the same.
        ProcactorsError: The decision was to refuse.
    """
    operation = b.Change(pid, decision, if_owned=command)
    outcome = await room.persistence.ask(Write(operation, room.patience()), timeout=None)
    if outcome is None:
        raise unknown(pid)
    if type(outcome) is b.Written:
        room.look_again()
        if outcome.state.ended_at:
            room.look_for_bereaved()
    return outcome


async def cancel(room: Room, pid: str, reason: str) -> bool:
    """Cancel a process. True if it was not over when the request was stored."""
    if problem := problem_of(reason):
        raise InvalidDataError(f"the reason to cancel {problem}", pid=pid)
    body = encode({"reason": reason}, room.options.payload_limit_bytes, "the reason to cancel")
    outcome = await change(room, pid, ending.cancel(reason), ("cancel", bytes(body)))
    if type(outcome) is b.Owned and outcome.command is not None:
        command = b.Command(
            outcome.command, outcome.record.id, "cancel", bytes(body), pid, outcome.record.owner
        )
        room.deliver(command)
    if type(outcome) is b.Written:
        return True
    state = outcome.record.state
    if state.undo is not None and not state.status.is_ended:
        return state.undo.end is ProcessStatus.CANCELLED
    return type(outcome) is b.Owned


async def proceed(room: Room, pid: str, answer: Any) -> None:
    """Answer a process's interrupt.

    Raises:
        NotInterruptedError: It has no open question (any more).
        InvalidDataError: The answer does not fit; the process stays interrupted.
    """
    try:
        await _proceed(room, pid, answer)
    except StepNotResolvableError:
        await _hand_over(room, pid, encode(answer, room.options.payload_limit_bytes, "the answer"))


async def _proceed(room: Room, pid: str, answer: Any) -> None:
    encoded = encode(answer, room.options.payload_limit_bytes, "the answer")
    while True:
        record = await record_of(room, pid)
        question = _open_question(record)
        _check(question, encoded, answer, room.catalog.modules, pid)
        outcome = await change(room, pid, _proceed_with(room, encoded, answer, record.state.interrupt_seq))
        if type(outcome) is b.Written:
            return


def _open_question(record: Record) -> ProcessInterrupted:
    if record.state.status is not ProcessStatus.INTERRUPTED:
        raise NotInterruptedError(
            f"process {record.pid} is {record.state.status.value}, not interrupted", pid=record.pid
        )
    return record.question()


def _check(
    question: ProcessInterrupted, encoded: msgspec.Raw, answer: Any, modules: tuple[str, ...], pid: str
) -> None:
    if question.schema_type is None:
        return
    kind = resolve_schema(question.schema_type, modules)
    if problem := misfit(b"{}" if answer is None else bytes(encoded), kind):
        raise InvalidDataError(
            f"the answer to step {question.step!r} of process {pid} {problem};"
            " the process is still interrupted",
            pid=pid,
            step=question.step,
        )


def _proceed_with(room: Room, encoded: msgspec.Raw, answer: Any, interrupt_seq: int) -> Decide:
    limit_bytes = room.options.payload_limit_bytes

    def decision(record: Record, now: float) -> Decision | None:
        _open_question(record)
        if record.state.interrupt_seq != interrupt_seq:
            return None  # another question than the one that was looked at: look again
        fresh = None if answer is None else msgspec.json.decode(encoded)
        data = encode(merged(msgspec.json.decode(record.data), fresh), limit_bytes, "the merged answer")
        return pausing.proceeded(record.plan, record.state, data, to_datetime(now))

    return decision


# When this program does not know the type of the answer: some manager will.


async def _hand_over(room: Room, pid: str, encoded: msgspec.Raw) -> None:
    """Leave the answer for a manager that can check it, and wait for what it says."""
    operation = b.Leave(pid, _PROCEED, bytes(encoded))
    command = await room.persistence.ask(Write(operation, room.patience()), timeout=None)
    outcome = await _outcome_of(room, command)
    await room.persistence.ask(Write(b.Forget((command,))), timeout=None)
    if outcome is None:
        raise StepNotResolvableError(
            f"the answer to process {pid} could not be checked: neither this program nor a running manager"
            " knows its type; start a manager that does, or import its module here",
            pid=pid,
        )
    if outcome:
        kind, _, reason = outcome.partition(":")
        error = NotInterruptedError if kind == NotInterruptedError.__name__ else InvalidDataError
        raise error(reason.strip(), pid=pid)


async def _outcome_of(room: Room, command: int) -> str | None:
    """Wait until a manager has settled a command; None if none does in time."""
    deadline = room.patience()
    while (outcome := await read(room, room.store.command_outcome, command)) is None:
        if room.clock.monotonic() >= deadline:
            return None
        await anyio.sleep(room.options.poll_active_s)
    return outcome


async def obey_for_nobody(room: Room, command: b.Command) -> None:
    """Do what is wanted of a process that has no owner."""
    if command.kind == _PROCEED:
        reason = ""
        try:
            await _proceed(room, command.pid, msgspec.json.decode(command.body))
        except StepNotResolvableError:
            return  # another manager may know the type
        except ProcactorsError as error:
            reason = f"{type(error).__name__}: {error}"
        await room.persistence.ask(Write(b.Answer(command.id, reason)), timeout=None)
    else:
        reason = msgspec.json.decode(command.body).get("reason", "")
        await change(room, command.pid, ending.cancel(reason))
        await room.persistence.ask(Write(b.Forget((command.id,))), timeout=None)
