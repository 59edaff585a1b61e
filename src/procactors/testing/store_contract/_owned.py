"""The owner's writes: `Append`, `SaveProgress`, and the commands that others leave for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from procactors.errors import InvalidStateError
from procactors.model.event import StepProgressed
from procactors.model.event_body import encode_body
from procactors.model.status import ProcessStatus
from procactors.stores import _batch as b
from procactors.stores._record import Decision, Record
from procactors.stores._selections import Orphaned
from procactors.testing.store_contract._bench import recover, take

if TYPE_CHECKING:
    from procactors.testing.store_contract._bench import Bench


class OwnedTests:
    """Tests of what the owner of a process does."""

    async def test_an_append_is_added_to_history_and_state(self, bench: Bench) -> None:
        """The epoch stays."""
        written = await bench.one(bench.running())
        append = bench.finish_one(written)
        again = await bench.one(append)
        record = await bench.record(written.pid)
        assert (again.epoch, again.process, again.state) == (1, written.process, append.decision.state)
        assert (record.state, record.owner, bytes(record.data)) == (again.state, bench.me, b'{"n":2}')
        events = await bench.history(written.pid, 0, 10)
        assert [event.seq for event in events] == [1, 2, 3, 4, 5]
        assert events[3].position == again.position

    async def test_a_stale_append_writes_nothing_and_spares_its_batch(self, bench: Bench) -> None:
        """A batch of 100 with one stale: 99 land."""
        written = await bench.done(*[bench.running() for _ in range(100)])
        await bench.one(bench.release(written[42]))
        taken = await bench.one(b.Change(written[42].pid, take, take_as=bench.me))
        before = await bench.history(written[42].pid, 0, 100)
        outcomes = await bench.done(*[bench.finish_one(one) for one in written])
        assert outcomes[42] == b.Stale(written[42].pid, taken.epoch)
        assert sum(type(outcome) is b.Written for outcome in outcomes) == 99
        assert await bench.history(written[42].pid, 0, 100) == before
        for number in (0, 41, 43, 99):
            assert (await bench.record(written[number].pid)).state == outcomes[number].state
            events = await bench.history(written[number].pid, 3, 100)
            assert events[0].position == outcomes[number].position

    async def test_an_append_brings_new_processes_with_it_or_none(self, bench: Bench) -> None:
        """They are stored if and only if it is."""
        kept, refused = await bench.done(bench.running(), bench.running())
        await bench.one(bench.release(refused))
        await bench.one(b.Change(refused.pid, take, take_as=bench.me))
        rows = [(bench.queued(), bench.queued()), (bench.queued(),)]
        outcomes = await bench.done(
            bench.finish_one(kept, brings=rows[0]), bench.finish_one(refused, brings=rows[1])
        )
        assert type(outcomes[1]) is b.Stale
        assert [one.pid for one in outcomes[0].brought] == [row.pid for row in rows[0]]
        for one, row in zip(outcomes[0].brought, rows[0], strict=True):
            assert (await bench.record(row.pid)).state == row.decision.state
            (event,) = await bench.history(row.pid, 0, 10)
            assert (event.seq, event.position) == (1, one.position)
        assert await bench.store.record(rows[1][0].pid) is None

    async def test_an_append_to_a_deleted_process_is_stale(self, bench: Bench) -> None:
        """There is no epoch then."""
        ended = await bench.ended()
        assert await bench.one(b.Purge(bench.store.now() + 1, 10)) == 1
        stale = b.Append(
            process=ended.process,
            pid=ended.pid,
            name=ended.name,
            epoch=ended.epoch,
            decision=Decision(ended.events, ended.state),
            owner=None,
            call=None,
        )
        assert await bench.one(stale) == b.Stale(ended.pid, None)

    async def test_an_append_is_held_back_by_a_command(self, bench: Bench) -> None:
        """Nothing is written until it has taken the command into account; then the command is gone."""
        written, other = await bench.done(bench.running(), bench.running())
        number = await bench.one(b.Leave(written.pid, "cancel", b'{"reason":"why"}'))
        assert (await bench.record(written.pid)).cancel_reason == "why"
        held, landed = await bench.done(bench.finish_one(written), bench.finish_one(other))
        assert [(c.id, c.kind, bytes(c.body)) for c in held.commands] == [
            (number, "cancel", b'{"reason":"why"}')
        ]
        assert isinstance(landed, b.Written)
        assert (await bench.record(written.pid)).state == written.state
        obeying = await bench.one(bench.finish_one(written, commands=(number,)))
        assert isinstance(obeying, b.Written)
        assert (await bench.store.news(bench.me, frozenset())).commands == ()

    async def test_new_processes_that_an_append_brings_are_stored_with_it(self, bench: Bench) -> None:
        """Or not at all."""
        written, other = await bench.done(bench.running(), bench.running())
        brought, lost = (bench.queued(parent=written.process, depth=1) for _ in range(2))
        landed, refused = await bench.done(
            bench.finish_one(written, brings=(brought,)), bench.finish_one(other, epoch=7, brings=(lost,))
        )
        assert [one.pid for one in landed.brought] == [brought.pid]
        assert (await bench.record(brought.pid)).parent_pid == written.pid
        assert isinstance(refused, b.Stale)
        assert await bench.store.record(lost.pid) is None

    async def test_a_released_process_is_due(self, bench: Bench) -> None:
        """It has no owner."""
        written = await bench.one(bench.running())
        assert not (await bench.store.news(bench.me, frozenset())).is_due
        await bench.one(bench.release(written))
        assert (await bench.record(written.pid)).owner is None
        assert (await bench.store.news(bench.me, frozenset())).is_due

    async def test_progress_is_kept_until_the_next_event(self, bench: Bench) -> None:
        """And only under the epoch and the seq that it was made in."""
        written = await bench.one(bench.running())
        said = StepProgressed(at=bench.at(), step="one", done=1, total=3, seq=written.state.seq)

        def save(*, epoch: int, seq: int) -> b.SaveProgress:
            return b.SaveProgress(written.process, epoch, seq, encode_body(said))

        assert await bench.done(save(epoch=2, seq=3), save(epoch=1, seq=2)) == [False, False]
        assert await bench.store.progress() == []
        assert await bench.one(save(epoch=1, seq=3)) is True
        [kept] = await bench.store.progress()
        assert (kept.pid, kept.done, kept.total) == (written.pid, 1, 3)
        await bench.one(bench.finish_one(written))
        assert await bench.store.progress() == []

    async def test_commands_reach_the_owner_and_are_answered(self, bench: Bench) -> None:
        """The sender sees the answer."""
        written = await bench.one(bench.running())
        number = await bench.one(b.Leave(written.pid, "ask", b"{}"))
        [command] = (await bench.store.news(bench.me, frozenset())).commands
        assert (command.id, command.process, command.pid, command.owner, command.kind) == (
            number, written.process, written.pid, bench.me, "ask",
        )  # fmt: skip
        assert (await bench.store.news(bench.me + 1, frozenset())).commands == ()
        assert await bench.store.command_outcome(number) is None
        await bench.one(b.Answer(number, "no"))
        assert await bench.store.command_outcome(number) == "no"
        assert (await bench.store.news(bench.me, frozenset())).commands == ()

    async def test_commands_are_forgotten(self, bench: Bench) -> None:
        """Whoever waits for one learns that the process is gone."""
        written = await bench.one(bench.running())
        numbers = await bench.done(b.Leave(written.pid, "a", b"{}"), b.Leave(written.pid, "b", b"{}"))
        await bench.one(b.Forget((numbers[0],)))
        assert [c.kind for c in (await bench.store.news(bench.me, frozenset())).commands] == ["b"]
        assert await bench.store.command_outcome(numbers[0])

    async def test_a_command_for_nobody_is_not_left(self, bench: Bench) -> None:
        """There has to be a process."""
        assert await bench.one(b.Leave("0" * 32, "cancel", b"{}")) is None

    async def test_recovering_fences_off_the_owner_before(self, bench: Bench) -> None:
        """Its next write is stale."""
        written = await bench.one(bench.running(owner=bench.me + 1000))
        sweep = b.Sweep(selection=Orphaned(), limit=10, decide=recover)
        [swept] = await bench.one(sweep)
        assert (swept.record.pid, swept.written.epoch) == (written.pid, 2)
        assert swept.written.state.status is ProcessStatus.QUEUED
        assert await bench.one(bench.finish_one(written)) == b.Stale(written.pid, 2)

    async def test_what_raises_refuses_itself_alone(self, bench: Bench) -> None:
        """The error is its outcome, and the others commit."""
        first, second = await bench.done(bench.queued(), bench.queued())

        def refuse(_record: Record, _now: float) -> Decision | None:
            raise InvalidStateError("no")

        refused, taken = await bench.done(b.Change(first.pid, refuse), b.Change(second.pid, take))
        assert isinstance(refused, InvalidStateError)
        assert isinstance(taken, b.Written)

    async def test_an_error_that_is_not_a_refusal_undoes_the_batch(self, bench: Bench) -> None:
        """And the store goes on."""
        first, second = await bench.done(bench.queued(), bench.queued())

        def break_down(_record: Record, _now: float) -> Decision | None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await bench.done(b.Change(second.pid, take), b.Change(first.pid, break_down))
        assert (await bench.record(second.pid)).state == second.state
        assert isinstance(await bench.one(b.Change(second.pid, take)), b.Written)
