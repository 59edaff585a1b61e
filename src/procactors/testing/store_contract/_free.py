"""Free processes: `Change`, `Sweep` and its selections, `Purge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors.errors import InvalidStateError
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b
from procactors.stores._membership import this_process
from procactors.stores._record import Decision, Record
from procactors.stores._selections import Due, Expired, OwnedBy, Stranded
from procactors.testing.store_contract._bench import (
    FAR_S,
    LEASE_S,
    PLAN,
    cancel,
    leave_it,
    recover,
    take,
    time_out,
)

if TYPE_CHECKING:
    from procactors.stores import Store
    from procactors.testing.store_contract._bench import Bench


class FreeTests:
    """Tests of what anybody does with a process that has no owner."""

    async def test_a_change_is_decided_on_what_is_stored(self, bench: Bench) -> None:
        """It grows the epoch, and takes the process if that runs then."""
        written = await bench.one(bench.queued())
        seen: list[Any] = []

        def decide(record: Record, now: float) -> Decision | None:
            seen.append((record, now))
            return take(record, now)

        before = await bench.record(written.pid)
        changed = await bench.one(b.Change(written.pid, decide, take_as=bench.me))
        assert seen[0][0] == before
        assert abs(seen[0][1] - bench.store.now()) < 60
        assert (changed.epoch, changed.state.status) == (2, ProcessStatus.RUNNING)
        assert (await bench.record(written.pid)).owner == bench.me

    async def test_a_change_of_nothing(self, bench: Bench) -> None:
        """There may be no such process, or no need."""
        written = await bench.one(bench.queued())
        assert await bench.one(b.Change("0" * 32, take)) is None
        unchanged = await bench.one(b.Change(written.pid, leave_it))
        assert unchanged == b.Unchanged(await bench.record(written.pid))
        assert unchanged.record.epoch == 1

    async def test_an_owned_process_is_not_changed(self, bench: Bench) -> None:
        """A command is left for its owner, if there is one to leave."""
        written = await bench.one(bench.running())
        plain, left = await bench.done(
            b.Change(written.pid, cancel), b.Change(written.pid, cancel, if_owned=("cancel", b"{}"))
        )
        assert (plain.record.owner, plain.command) == (bench.me, None)
        [command] = (await bench.store.news(bench.me, frozenset())).commands
        assert (command.id, command.kind) == (left.command, "cancel")

    async def test_of_two_changes_at_once_one_finds_what_the_other_did(self, bench: Bench) -> None:
        """Whichever store they come from."""
        written = await bench.one(bench.queued())
        other = await bench.another()
        outcomes: list[Any] = []

        async def change(store: Store) -> None:
            outcomes.extend(await store.commit([b.Change(written.pid, cancel)]))

        async with anyio.create_task_group() as group:
            for store in (bench.store, other, bench.store, other):
                group.start_soon(change, store)
        assert sum(type(outcome) is b.Written for outcome in outcomes) == 1
        assert sum(type(outcome) is InvalidStateError for outcome in outcomes) == 3

    async def test_what_is_due_is_claimed_best_first(self, bench: Bench) -> None:
        """By priority, then by age; up to a limit; not before its moment."""
        old, new, urgent, _ = await bench.done(
            bench.queued(), bench.queued(), bench.queued(priority=1), bench.queued(delay_s=FAR_S)
        )
        due = b.Sweep(selection=Due(), limit=2, decide=take, take_as=bench.me)
        swept = [one.written.pid for one in await bench.one(due)]
        assert swept == [urgent.pid, old.pid]
        assert [one.written.pid for one in await bench.one(due)] == [new.pid]
        assert await bench.one(due) == []
        record = await bench.record(urgent.pid)
        assert (record.owner, record.epoch) == (bench.me, 2)

    async def test_a_claim_passes_over_what_can_not_be_run(self, bench: Bench) -> None:
        """Nor is it news."""
        await bench.one(bench.queued())
        missing = frozenset({_needs()})
        due = b.Sweep(selection=Due(missing), limit=9, decide=take, take_as=bench.me)
        assert await bench.one(due) == []
        assert not (await bench.store.news(bench.me, missing)).is_due
        assert (await bench.store.news(bench.me, frozenset({"other:step"}))).is_due

    async def test_two_managers_never_claim_the_same(self, bench: Bench) -> None:
        """However they come at it."""
        await bench.done(*[bench.queued() for _ in range(40)])
        other = await bench.another()
        rival = await other.register(this_process("rival", "manager"), LEASE_S)
        claimed: list[str] = []

        async def claim(store: Store, owner: int) -> None:
            due = b.Sweep(selection=Due(), limit=3, decide=take, take_as=owner)
            while swept := (await store.commit([due]))[0]:
                claimed.extend(one.written.pid for one in swept)

        async with anyio.create_task_group() as group:
            group.start_soon(claim, bench.store, bench.me)
            group.start_soon(claim, other, rival.id)
        await other.unregister(rival)
        assert len(claimed) == len(set(claimed)) == 40

    async def test_what_a_sweep_decides_to_leave_is_left(self, bench: Bench) -> None:
        """It is not part of the outcome."""
        written = await bench.one(bench.queued())
        assert await bench.one(b.Sweep(selection=Due(), limit=9, decide=leave_it)) == []
        assert (await bench.record(written.pid)).epoch == 1

    async def test_expired_processes_are_selected(self, bench: Bench) -> None:
        """Those that are free, and whose time is over."""
        written = await bench.one(bench.queued())
        await bench.one(bench.queued())
        await bench.one(b.Change(written.pid, _in_a_retry_that_is_too_late))
        expired = b.Sweep(selection=Expired(), limit=9, decide=time_out)
        assert [one.written.pid for one in await bench.one(expired)] == [written.pid]
        assert await bench.one(expired) == []

    async def test_stranded_processes_are_selected(self, bench: Bench) -> None:
        """Those that have been due since a moment, and wait for one of these steps."""
        written = await bench.one(bench.queued())

        async def stranded(before: float, call: str) -> list[b.Swept]:
            selection = Stranded(before, frozenset({call}))
            swept: list[b.Swept] = await bench.one(b.Sweep(selection=selection, limit=9, decide=cancel))
            return swept

        assert await stranded(bench.store.now() - FAR_S, _needs()) == []
        assert await stranded(bench.store.now() + 1, "other:step") == []
        [swept] = await stranded(bench.store.now() + 1, _needs())
        assert swept.record.pid == written.pid

    async def test_the_processes_of_a_dead_manager_are_freed_and_it_is_forgotten(self, bench: Bench) -> None:
        """Its row goes with the last of them."""
        other = await bench.another()
        dead = await other.register(this_process("dead", "manager"), FAR_S)
        await other.close()
        mine = await bench.one(bench.running())
        await bench.done(bench.running(owner=dead.id), bench.running(owner=dead.id))
        sweep = b.Sweep(selection=OwnedBy(dead.id, is_gone=True), limit=1, decide=recover)
        for _ in range(2):
            assert len(await bench.one(sweep)) == 1
            assert dead.id in [member.id for member in await bench.store.members()]
        assert await bench.one(sweep) == []
        assert [member.id for member in await bench.store.members()] == [bench.me]
        assert (await bench.record(mine.pid)).owner == bench.me

    async def test_a_purge_deletes_what_ended_before(self, bench: Bench) -> None:
        """Up to a limit, with key and history; positions that are gone are known."""
        first = await bench.ended(key="k")
        second, alive = await bench.ended(), await bench.one(bench.queued())
        assert await bench.one(b.Purge(bench.store.now() - FAR_S, 10)) == 0
        assert await bench.one(b.Purge(bench.store.now() + 1, 1)) == 1
        assert await bench.store.record(first.pid) is None
        assert await bench.history(first.pid, 0, 10) == []
        assert isinstance(await bench.one(bench.queued(key="k")), b.Written)
        assert await bench.one(b.Purge(bench.store.now() + 1, 10)) == 1
        newest, gone = await bench.store.positions()
        assert second.position <= gone < newest
        assert await bench.store.record(alive.pid) is not None


def _needs() -> str:
    return PLAN.steps["one"].needs


def _in_a_retry_that_is_too_late(record: Record, now: float) -> Decision | None:
    """Let it sleep, with a deadline that has passed: as after a long retry."""
    taken = take(record, now)
    assert taken is not None
    state = msgspec.structs.replace(
        taken.state, status=ProcessStatus.SLEEPING, due_at=now + FAR_S, deadline_at=now - 1
    )
    return Decision(taken.events, state)
