"""New processes: `Insert`, and what a key allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.model.event import ProcessCancelled, ProcessCancelRequested, ProcessQueued, StepStarted
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b
from procactors.testing.store_contract._bench import PLAN, cancel

if TYPE_CHECKING:
    from procactors.testing.store_contract._bench import Bench


class NewTests:
    """Tests of `Insert`."""

    async def test_a_new_process_is_stored_as_decided(self, bench: Bench) -> None:
        """It has the first epoch, its owner, its events and its state."""
        insert = bench.running(tags=("a", "b"), priority=3)
        written = await bench.one(insert)
        record = await bench.record(insert.pid)
        assert (written.pid, written.epoch, written.process) == (insert.pid, 1, record.id)
        assert (record.owner, record.owner_name, record.epoch) == (bench.me, "me", 1)
        assert (record.name, record.tags, record.priority) == ("sample", ("a", "b"), 3)
        assert record.state == insert.decision.state
        assert record.plan == PLAN
        assert bytes(record.data) == b'{"n":1}'

    async def test_events_of_a_batch_have_positions_without_a_gap(self, bench: Bench) -> None:
        """In the order of the operations."""
        first, second = await bench.done(bench.running(), bench.running())
        assert second.position == first.position + 3
        events = await bench.history(second.pid, 0, 10)
        assert [(event.seq, event.position) for event in events] == [
            (n + 1, second.position + n) for n in range(3)
        ]
        assert isinstance(events[0], ProcessQueued)
        assert isinstance(events[2], StepStarted)

    async def test_many_new_processes_in_one_batch_are_each_their_own(self, bench: Bench) -> None:
        """None gets another's number or events."""
        inserts = [bench.queued(data=n) for n in range(300)]
        written = await bench.done(*inserts)
        assert len({one.process for one in written}) == 300
        for number in (0, 127, 128, 299):
            record = await bench.record(inserts[number].pid)
            assert record.id == written[number].process
            assert bytes(record.data) == str(number).encode()

    async def test_a_held_key_is_taken(self, bench: Bench) -> None:
        """Also within one batch; the others of it are stored."""
        first, second, third = await bench.done(
            bench.queued(key="k"), bench.queued(key="k"), bench.queued(key="other")
        )
        assert second == b.KeyTaken(first.pid)
        assert isinstance(third, b.Written)
        assert (await bench.one(bench.queued(key="k"))) == b.KeyTaken(first.pid)

    async def test_an_ended_process_holds_its_key(self, bench: Bench) -> None:
        """Until retention deletes it."""
        ended = await bench.ended(key="k")
        assert (await bench.one(bench.queued(key="k"))) == b.KeyTaken(ended.pid)

    async def test_a_key_of_scope_active_is_free_after_the_end(self, bench: Bench) -> None:
        """And not before."""
        written = await bench.one(bench.running(key="k", key_scope="active"))
        assert (await bench.one(bench.queued(key="k"))) == b.KeyTaken(written.pid)
        await bench.one(bench.end(written))
        assert isinstance(await bench.one(bench.queued(key="k")), b.Written)

    async def test_replacing_an_ended_process_takes_its_key(self, bench: Bench) -> None:
        """The new one is due at once."""
        await bench.ended(key="k")
        new = await bench.one(bench.queued(key="k", replaces=True, cancel=cancel))
        assert isinstance(new, b.Written)
        assert (await bench.store.news(bench.me, frozenset())).is_due

    async def test_replacing_a_free_process_cancels_it(self, bench: Bench) -> None:
        """In the same transaction."""
        old = await bench.one(bench.queued(key="k"))
        new = await bench.one(bench.queued(key="k", replaces=True, cancel=cancel))
        assert new.replaced.pid == old.pid
        assert (await bench.record(old.pid)).state.status is ProcessStatus.CANCELLED

    async def test_what_replaces_an_owned_process_waits_behind_its_end(self, bench: Bench) -> None:
        """Its owner is told to cancel it, and the new one is due when it has ended."""
        old = await bench.one(bench.running(key="k"))
        await bench.one(bench.queued(key="k", replaces=True, cancel=cancel))
        news = await bench.store.news(bench.me, frozenset())
        assert not news.is_due
        assert [(command.pid, command.kind) for command in news.commands] == [(old.pid, "cancel")]
        ended = bench.append(
            old, *cancel_events(bench), commands=tuple(command.id for command in news.commands)
        )
        written = await bench.one(ended)
        assert written.lets_start
        assert (await bench.store.news(bench.me, frozenset())).is_due


def cancel_events(bench: Bench) -> tuple[ProcessCancelRequested, ProcessCancelled]:
    """Return the events of a cancel."""
    return ProcessCancelRequested(at=bench.at()), ProcessCancelled(at=bench.at())
