"""What the tests of a store have at hand: stores, a clock, a small process, and its way through life."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio

from procactors._clock import SystemClock, to_datetime
from procactors._ids import Ids
from procactors.errors import ErrorInfo
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.state import apply, next_call
from procactors.model.status import ProcessStatus
from procactors.model.step import Step
from procactors.stores import _batch as b
from procactors.stores._membership import this_process
from procactors.stores._record import Decision, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState
    from procactors.stores import Member, Store

LEASE_S = 0.3
PATIENCE_S = 30.0
FAR_S = 3600.0


def pass_on(data: Any) -> Any:
    """Do nothing."""
    return data


PLAN = Process("sample", [Step("one", pass_on), Step("two", pass_on)])
OTHER_PLAN = Process("other", [Step("only", pass_on)])


def decision(state: ProcessState | None, *events: ProcessEvent, plan: Process = PLAN) -> Decision:
    """Return the decision that these events happen."""
    for event in events:
        state = apply(state, event, plan)
    assert state is not None
    return Decision(events, state)


class Bench:
    """One open store, others on the same database, and whom it knows."""

    def __init__(self, new_store: Callable[[], Store]) -> None:
        """Make the first store."""
        self.new_store = new_store
        self.store = new_store()
        self._others: list[Store] = []
        self._ids = Ids(SystemClock())
        self.members: list[Member] = []

    async def open(self) -> None:
        """Open it, and register a manager."""
        await self.store.open()
        self.members.append(await self.store.register(this_process("me", "manager"), LEASE_S))

    async def close(self) -> None:
        """Close all stores."""
        for store in [*self._others, self.store]:
            await store.close()

    async def another(self) -> Store:
        """Open one more store on the same database."""
        store = self.new_store()
        await store.open()
        self._others.append(store)
        return store

    @property
    def me(self) -> int:
        """Number of the manager."""
        return self.members[0].id

    def at(self, after_s: float = 0) -> Any:
        """Return a moment by the store's clock."""
        return to_datetime(self.store.now()) + timedelta(seconds=after_s)

    # Operations.

    def queued(self, plan: Process = PLAN, *, data: Any = None, delay_s: float = 0, **more: Any) -> b.Insert:
        """Return the operation that stores a process which waits for a manager."""
        queued = e.ProcessQueued(at=self.at(), name=plan.name, definition=plan.encoded, data=data)
        events: list[ProcessEvent] = [queued]
        if delay_s:
            events.append(e.ProcessSleeping(at=self.at(), due_at=self.at(delay_s)))
        made = decision(None, *events, plan=plan)
        return b.Insert(pid=self._ids.pid(), decision=made, plan=plan, identity=more.get("key"), **more)

    def running(self, **more: Any) -> b.Insert:
        """Return the operation that stores a process which the manager runs from the start."""
        events = (
            e.ProcessQueued(at=self.at(), name=PLAN.name, definition=PLAN.encoded, data={"n": 1}),
            e.ProcessStarted(at=self.at(), owner="me"),
            e.StepStarted(at=self.at(), step="one"),
        )
        values: dict[str, Any] = {"owner": self.me, "identity": more.get("key")} | more
        return b.Insert(pid=self._ids.pid(), decision=decision(None, *events), plan=PLAN, **values)

    def append(self, written: b.Written, *events: ProcessEvent, **more: Any) -> b.Append:
        """Return the owner's next write."""
        made = decision(written.state, *events)
        is_owned = made.state.status in {ProcessStatus.RUNNING, ProcessStatus.CANCELLING}
        values = {"epoch": written.epoch, "owner": self.me if is_owned else None} | more
        call = None if is_owned else next_call(made.state, PLAN)
        return b.Append(
            process=written.process, pid=written.pid, name=written.name, decision=made, call=call, **values
        )

    def finish_one(self, written: b.Written, **more: Any) -> b.Append:
        """Return the write that the first step is over, and the second begins."""
        finished = e.StepFinished(at=self.at(), step="one", output={"n": 2})
        return self.append(written, finished, e.StepStarted(at=self.at(), step="two"), **more)

    def release(self, written: b.Written) -> b.Append:
        """Return the write by which the manager gives a process back."""
        return self.append(written, e.ProcessReleased(at=self.at()))

    def end(self, written: b.Written) -> b.Append:
        """Return the write by which the process fails."""
        error = ErrorInfo(type="E", message="m")
        return self.append(written, e.ProcessFailed(at=self.at(), error=error))

    # Doing them.

    async def done(self, *operations: b.Operation) -> list[b.Outcome]:
        """Commit a batch."""
        return await self.store.commit(operations)

    async def one(self, operation: b.Operation) -> Any:
        """Commit one operation, and return its outcome."""
        return (await self.store.commit([operation]))[0]

    async def ended(self, **more: Any) -> b.Written:
        """Store a process that has ended."""
        written = await self.one(self.running(**more))
        ended: b.Written = await self.one(self.end(written))
        return ended

    async def history(self, pid: str, after: int = 0, limit: int = 100) -> list[Any]:
        """Return events of one process."""
        return list(await self.store.history(pid, after, limit))

    async def events_after(self, position: int, limit: int = 100) -> tuple[list[Any], int]:
        """Return events of all processes."""
        events, last = await self.store.events_after(position, limit)
        return list(events), last

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for what nobody is told of."""
        with anyio.fail_after(PATIENCE_S):
            while not await holds():  # noqa: ASYNC110 - it happens in a thread, or in a database
                await anyio.sleep(LEASE_S / 10)

    async def record(self, pid: str) -> Record:
        """Return a process that is there."""
        record = await self.store.record(pid)
        assert record is not None
        return record


def take(record: Record, now: float) -> Decision | None:
    """Decide to run a free process."""
    kind = e.ProcessResumed if record.state.started_at else e.ProcessStarted
    return decision(record.state, kind(at=to_datetime(now), owner="me"), plan=record.plan)


def cancel(record: Record, now: float) -> Decision | None:
    """Decide to cancel a free process."""
    at = to_datetime(now)
    return decision(
        record.state, e.ProcessCancelRequested(at=at), e.ProcessCancelled(at=at), plan=record.plan
    )


def recover(record: Record, now: float) -> Decision | None:
    """Decide to free a process whose manager is gone."""
    return decision(record.state, e.ProcessRecovered(at=to_datetime(now)), plan=record.plan)


def time_out(record: Record, now: float) -> Decision | None:
    """Decide that a process's time is over."""
    error = ErrorInfo(type="E", message="late")
    return decision(record.state, e.ProcessTimedOut(at=to_datetime(now), error=error), plan=record.plan)


def leave_it(_record: Record, _now: float) -> Decision | None:
    """Decide nothing."""
    return None
