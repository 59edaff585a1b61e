"""Limits, rates, pauses and plugins: decided in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors._clock import to_datetime
from procactors.model import event as e
from procactors.model.definition import Process
from procactors.model.step import Step
from procactors.stores import _batch as b
from procactors.stores._membership import this_process
from procactors.stores._selections import Due
from procactors.stores._turns import BeginTurn, EndTurn, Turn
from procactors.testing.store_contract._bench import FAR_S, OTHER_PLAN, decision, pass_on, take

if TYPE_CHECKING:
    from procactors.stores._record import Decision, Record
    from procactors.testing.store_contract._bench import Bench

STEPS = [Step("one", pass_on)]
TWO = Process("two", STEPS, max_running=2)
GROUPED = Process("grouped", STEPS, max_per_group=1)
RATED = Process("rated", STEPS, rate=(2, FAR_S))
KEPT = Process("kept", STEPS, keep=FAR_S)


def extend(record: Record, now: float, seconds: float) -> Decision:
    """Decide that its time has stood still."""
    extended = e.DeadlineExtended(at=to_datetime(now), seconds=seconds)
    return decision(record.state, extended, plan=record.plan)


def block(record: Record, now: float) -> Decision | None:
    """Decide that nobody can run it."""
    blocked = e.ProcessBlocked(at=to_datetime(now), step="one", reason="its step is gone")
    return decision(record.state, blocked, plan=record.plan)


class QueueTests:
    """What holds processes back."""

    async def claim(self, bench: Bench, limit: int = 9) -> list[b.Written]:
        """Claim what is let through."""
        sweep = b.Sweep(selection=Due(), limit=limit, decide=take, take_as=bench.me)
        return [swept.written for swept in await bench.one(sweep)]

    async def test_a_limit_lets_through_what_there_is_room_for(self, bench: Bench) -> None:
        """Others pass; an end makes room."""
        held = await bench.done(*(bench.queued(TWO) for _ in range(4)))
        other = await bench.one(bench.queued())
        first, second, free = await self.claim(bench)
        assert [first.pid, second.pid, free.pid] == [held[0].pid, held[1].pid, other.pid]
        assert await self.claim(bench) == []
        assert not (await bench.store.news(bench.me, frozenset())).is_due
        await bench.one(bench.end(first))
        assert (await bench.store.news(bench.me, frozenset())).is_due
        assert [one.pid for one in await self.claim(bench)] == [held[2].pid]

    async def test_a_group_has_room_of_its_own(self, bench: Bench) -> None:
        """The best of each group is let through; none without a group is held."""
        inserts = [bench.queued(GROUPED, group=group) for group in ("a", "a", "b", None, None, "b")]
        held = await bench.done(*inserts)
        assert [one.pid for one in await self.claim(bench)] == [held[n].pid for n in (0, 2, 3, 4)]
        assert await self.claim(bench) == []

    async def test_a_rate_counts_what_has_begun(self, bench: Bench) -> None:
        """Also what has ended; and it is known when the next one may begin."""
        await bench.done(*(bench.queued(RATED) for _ in range(3)))
        for written in await self.claim(bench):
            await bench.one(bench.end(written))
        assert await self.claim(bench) == []
        opens_at, _ = await bench.store.next_moments(bench.store.now())
        assert opens_at is not None
        assert abs(opens_at - bench.store.now() - FAR_S) < 60

    async def test_who_waits_for_children_gets_its_place_back_first(self, bench: Bench) -> None:
        """It asks again, and nothing queued is let through before it."""
        await bench.done(*(bench.queued(TWO) for _ in range(4)))
        first, second = await self.claim(bench)
        started = e.StepStarted(at=bench.at(), step="one")
        waits = await bench.one(
            bench.append(first, started, e.ProcessWaiting(at=bench.at(), step="one"), owner=bench.me)
        )
        (third,) = await self.claim(bench)
        assert not await bench.one(b.Place(first.process, wants=True))
        await bench.one(bench.end(second))
        assert await self.claim(bench) == []
        assert await bench.one(b.Place(first.process, wants=True))
        await bench.one(bench.append(waits, e.ProcessResumed(at=bench.at()), owner=bench.me))
        await bench.one(bench.end(third))
        assert len(await self.claim(bench)) == 1

    async def test_the_limits_of_the_last_start_hold(self, bench: Bench) -> None:
        """For what is queued, too."""
        await bench.done(*(bench.queued(TWO) for _ in range(3)))
        await bench.one(bench.queued(Process("two", STEPS, max_running=4)))
        assert len(await self.claim(bench)) == 4
        total, queue = await bench.store.queues()
        assert (total.name, queue.name, queue.max_running, queue.rate) == (None, "two", 4, None)
        assert await bench.store.count_owned("two") == await bench.store.count_owned(None) == 4
        assert await bench.store.count_owned("three") == 0

    async def test_it_is_known_since_when_the_oldest_waits(self, bench: Bench) -> None:
        """Of each name and of all; not of what is not due, runs, or can't be run by anybody."""
        await bench.done(bench.queued(delay_s=FAR_S), bench.running(), bench.queued(OTHER_PLAN))
        before = bench.at()
        total, other, sample = await bench.store.queues()
        assert sample.oldest_due_at is None
        assert other.oldest_due_at is not None
        assert bench.at(-60) < other.oldest_due_at <= before
        assert total.oldest_due_at == other.oldest_due_at
        limited = await bench.one(bench.queued(TWO))
        assert (await bench.store.queues())[3].oldest_due_at is not None
        await bench.one(b.Change(limited.pid, block))
        assert (await bench.store.queues())[3].oldest_due_at is None

    async def test_nothing_of_a_paused_name_is_let_through(self, bench: Bench) -> None:
        """Nor stored as running; until it is resumed."""
        await bench.one(b.Pause("sample"))
        await bench.one(b.Pause("sample"))
        assert await bench.one(bench.running()) is None
        assert await bench.one(bench.running(key="k")) is None
        queued, other = await bench.done(bench.queued(), bench.queued(OTHER_PLAN))
        assert [one.pid for one in await self.claim(bench)] == [other.pid]
        await bench.one(b.Resume("sample", extend))
        assert [one.pid for one in await self.claim(bench)] == [queued.pid]

    async def test_a_pause_of_all_lets_children_through(self, bench: Bench) -> None:
        """They belong to what is under way."""
        parent = await bench.one(bench.running())
        await bench.one(b.Pause(None))
        await bench.done(bench.queued(), bench.queued(TWO))
        child, limited = await bench.done(
            *(bench.queued(p, parent=parent.process, depth=1) for p in (OTHER_PLAN, TWO))
        )
        assert [one.pid for one in await self.claim(bench)] == [child.pid, limited.pid]
        total, *_ = await bench.store.queues()
        assert total.is_paused

    async def test_a_paused_deadline_does_not_pass_and_is_moved(self, bench: Bench) -> None:
        """By the time that it stood still."""
        written = await bench.one(bench.running())
        freed = await bench.one(bench.append(written, e.ProcessRecovered(at=bench.at(-10)), owner=None))
        await bench.one(b.Pause("sample"))
        assert (await bench.store.next_moments(bench.store.now()))[1] is None
        [swept] = await bench.one(b.Resume("sample", extend))
        [extended] = swept.written.events
        assert 0 <= extended.seconds < 10
        assert swept.written.state.deadline_at == freed.state.deadline_at + extended.seconds
        assert (await bench.store.next_moments(bench.store.now()))[1] == swept.written.state.deadline_at
        assert await bench.one(b.Resume("sample", extend)) == []

    async def test_a_definition_says_how_long_its_processes_are_kept(self, bench: Bench) -> None:
        """Others as the purge says; children go after their parent."""
        kept = await bench.one(bench.queued(KEPT))
        (taken,) = await self.claim(bench)
        ended = await bench.one(bench.end(taken))
        parent = await bench.ended()
        child = await bench.ended(parent=parent.process, depth=1)
        moment = ended.state.ended_at + FAR_S
        assert await bench.store.next_purge(2 * FAR_S) == moment
        later = bench.store.now() + 1
        assert await bench.one(b.Purge(later, 10)) == 1
        assert await bench.store.record(parent.pid) is None
        assert await bench.store.record(child.pid) is not None
        assert await bench.one(b.Purge(later, 10)) == 1
        assert await bench.store.record(child.pid) is None
        assert await bench.store.record(kept.pid) is not None

    async def test_what_is_known_of_a_queue_goes_with_its_last_process(self, bench: Bench) -> None:
        """Not while it is paused, and not while its rate counts a start."""
        await bench.done(*(bench.queued(plan) for plan in (TWO, GROUPED, RATED)), b.Pause("paused"))
        taken = await self.claim(bench)
        await bench.done(*(bench.end(one) for one in taken if one.name != "grouped"))
        assert await bench.one(b.Purge(bench.store.now() + 1, 10)) == 2
        assert [queue.name for queue in (await bench.store.queues())[1:]] == ["grouped", "paused", "rated"]
        await bench.done(bench.queued(RATED), bench.queued(RATED))
        assert len(await self.claim(bench)) == 1
        await bench.one(b.Resume("paused", extend))
        assert [queue.name for queue in (await bench.store.queues())[1:]] == ["grouped", "rated"]

    async def test_a_parent_is_kept_while_a_child_is_alive(self, bench: Bench) -> None:
        """Somebody has to be there who is seen to have ended."""
        parent = await bench.ended()
        await bench.one(bench.queued(parent=parent.process, depth=1))
        assert await bench.one(b.Purge(bench.store.now() + 1, 10)) == 0

    async def test_one_manager_has_the_turn_of_a_plugin(self, bench: Bench) -> None:
        """Until it has ended its run; then the next one is due after the interval."""
        other = await (await bench.another()).register(this_process("other", "manager"), FAR_S)
        first = await bench.one(_turn(bench.me))
        assert (first.is_taken, first.last_run) == (True, None)
        assert await bench.one(_turn(other.id)) == Turn(is_taken=False, last_run=None)
        await bench.one(EndTurn("k", other.id))
        assert not (await bench.one(_turn(other.id))).is_taken
        await bench.one(EndTurn("k", bench.me))
        due = Turn(is_taken=False, last_run=first.due_at, due_at=first.due_at + FAR_S)
        assert await bench.one(_turn(other.id)) == due
        assert (await bench.one(_turn(other.id, interval_s=0))).is_taken

    async def test_the_turn_of_who_is_gone_is_taken_over(self, bench: Bench) -> None:
        """At once, and as if it had not begun."""
        store = await bench.another()
        other = await store.register(this_process("other", "manager"), FAR_S)
        await bench.one(_turn(other.id))
        await store.unregister(other)
        taken = await bench.one(_turn(bench.me))
        assert (taken.is_taken, taken.last_run) == (True, None)
        assert (await bench.one(_turn(bench.me))).is_taken


def _turn(manager: int, interval_s: float = FAR_S) -> BeginTurn:
    return BeginTurn("k", manager, lambda last_run, now: now if last_run is None else last_run + interval_s)
