"""Managers and clients, their leases, news of others, and cancelled calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from procactors.model.standing import RunningProcess
from procactors.model.status import ProcessStatus
from procactors.stores import InHand
from procactors.stores import _batch as b
from procactors.stores._membership import this_process
from procactors.stores._selections import OwnedBy
from procactors.testing.store_contract._bench import LEASE_S, PATIENCE_S, leave_it, take

if TYPE_CHECKING:
    from procactors.stores import Member
    from procactors.testing.store_contract._bench import Bench


class MemberTests:
    """Tests of who is there."""

    async def test_members_are_known_to_all(self, bench: Bench) -> None:
        """Until they leave."""
        other = await bench.another()
        identity = this_process("guest", "client")
        guest = await other.register(identity, LEASE_S)
        assert guest.identity == identity
        assert [member.id for member in await bench.store.members()] == [bench.me, guest.id]
        assert (await bench.store.members())[1].identity == identity
        await other.unregister(guest)
        assert [member.id for member in await other.members()] == [bench.me]

    async def test_a_lease_is_kept_by_itself(self, bench: Bench) -> None:
        """By the store's clock, for as long as the member is registered."""
        first = bench.members[0]

        async def is_renewed() -> bool:
            return (await self._me(bench)).lease_until > first.lease_until

        await bench.until(is_renewed)
        assert (await self._me(bench)).lease_until <= bench.store.now() + 2 * LEASE_S

    async def test_who_was_taken_for_dead_shows_that_it_is_not(self, bench: Bench) -> None:
        """Under the same number; what it owned is lost."""
        gone = b.Sweep(selection=OwnedBy(bench.me, is_gone=True), limit=9, decide=leave_it)
        await bench.one(gone)

        async def is_back() -> bool:
            return bool(await bench.store.members())

        await bench.until(is_back)
        assert (await self._me(bench)).identity == bench.members[0].identity

    async def test_what_each_owner_has_in_hand_is_counted_and_named(self, bench: Bench) -> None:
        """The oldest first; what nobody owns is nowhere."""
        other = await (await bench.another()).register(this_process("other", "manager"), LEASE_S)
        assert await bench.store.running(9) == {}
        mine = await bench.done(*[bench.running() for _ in range(3)])
        await bench.one(bench.queued())
        taken = await bench.one(bench.queued())
        await bench.one(b.Change(taken.pid, take, take_as=other.id))
        await bench.one(bench.end(mine[1]))
        pids = [mine[0].pid, mine[2].pid]
        running = ProcessStatus.RUNNING
        assert await bench.store.running(1) == {
            bench.me: InHand(2, (RunningProcess(pids[0], mine[0].name, running),)),
            other.id: InHand(1, (RunningProcess(taken.pid, taken.name, running),)),
        }
        assert [one.pid for one in (await bench.store.running(9))[bench.me].processes] == pids
        assert (await bench.store.running(0))[bench.me] == InHand(2, ())

    async def _me(self, bench: Bench) -> Member:
        [me] = await bench.store.members()
        assert me.id == bench.me
        return me

    async def test_changes_by_others_are_heard_of(self, bench: Bench) -> None:
        """Soon, and never before they can be read."""
        other = await bench.another()
        await bench.store.members()
        await other.members()
        for count in range(1, 4):
            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as group:
                    group.start_soon(other.commit, [bench.queued()])
                    while sum((await bench.store.counts()).values()) < count:
                        await bench.store.changed()

    async def test_time_goes_on(self, bench: Bench) -> None:
        """And is the same for all who use the database."""
        other = await bench.another()
        assert abs(bench.store.now() - other.now()) < 1
        before = bench.store.now()

        async def is_later() -> bool:
            return bench.store.now() > before

        await bench.until(is_later)

    async def test_a_cancelled_commit_leaves_no_transaction_open(self, bench: Bench) -> None:
        """It is done or it is not, and the next one is."""
        other = await bench.another()
        inserts = [bench.queued() for _ in range(20)]
        for number, insert in enumerate(inserts):
            with anyio.move_on_after(number * 0.0002):
                await bench.store.commit([insert])
        for store in (bench.store, other):
            with anyio.fail_after(PATIENCE_S):
                [written] = await store.commit([bench.queued()])
            assert await bench.store.record(written.pid) is not None
        for insert in inserts:
            events = await bench.store.history(insert.pid, 0, 9)
            assert len(events) == (0 if await bench.store.record(insert.pid) is None else 1)

    async def test_a_cancelled_read_does_no_harm(self, bench: Bench) -> None:
        """The next one gets its own answer."""
        pids = [written.pid for written in await bench.done(*[bench.queued() for _ in range(20)])]
        for number, pid in enumerate(pids):
            with anyio.move_on_after(number * 0.0002):
                await bench.store.record(pid)
            assert (await bench.record(pids[-1 - number])).pid == pids[-1 - number]
