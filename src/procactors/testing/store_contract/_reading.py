"""Reading: records, history, streams of all, what is next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import ErrorInfo
from procactors.model.event import DeferredUpdateFailed, ProcessInterrupted, StepFinished
from procactors.model.status import ProcessStatus
from procactors.stores import Wanted
from procactors.stores import _batch as b
from procactors.testing.store_contract._bench import FAR_S, OTHER_PLAN, cancel

if TYPE_CHECKING:
    from procactors.testing.store_contract._bench import Bench


class ReadingTests:
    """Tests of what is read."""

    async def test_there_may_be_no_such_process(self, bench: Bench) -> None:
        """Then there is nothing to read."""
        assert await bench.store.record("0" * 32) is None
        assert await bench.history("0" * 32, 0, 10) == []
        assert await bench.store.records(Wanted()) == []

    async def test_records_come_newest_first_in_pages(self, bench: Bench) -> None:
        """A page goes on after the last pid of the one before, even if that is gone by now."""
        pids = [written.pid for written in await bench.done(*[bench.queued() for _ in range(5)])]
        newest_first = pids[::-1]
        assert await _listed(bench) == newest_first
        assert await _listed(bench, limit=2) == newest_first[:2]
        assert await _listed(bench, limit=2, after=newest_first[1]) == newest_first[2:4]
        await bench.one(b.Change(newest_first[1], cancel))
        await bench.one(b.Purge(bench.store.now() + 1, 10))
        assert await _listed(bench, after=newest_first[1]) == newest_first[2:]

    async def test_records_are_chosen_by_status_and_name(self, bench: Bench) -> None:
        """Or by both."""
        sample, other, running = await bench.done(bench.queued(), bench.queued(OTHER_PLAN), bench.running())
        assert await _listed(bench, name="other") == [other.pid]
        assert await _listed(bench, statuses=(ProcessStatus.RUNNING,)) == [running.pid]
        either = (ProcessStatus.RUNNING, ProcessStatus.QUEUED)
        assert await _listed(bench, statuses=either, name="sample") == [running.pid, sample.pid]
        assert await _listed(bench, statuses=()) == []

    async def test_children_are_listed(self, bench: Bench) -> None:
        """Those of one process, without their own children, chosen like all."""
        parent, other = await bench.done(bench.running(), bench.running())
        children = await bench.done(*[bench.running(parent=parent.process, depth=1) for _ in range(3)])
        pids = [child.pid for child in children][::-1]
        await bench.done(bench.running(parent=children[0].process, depth=2))
        await bench.one(bench.end(children[1]))
        assert await _listed(bench, parent=parent.pid) == pids
        assert await _listed(bench, parent=parent.pid, limit=1, after=pids[0]) == [pids[1]]
        assert await _listed(bench, parent=parent.pid, statuses=(ProcessStatus.FAILED,)) == [pids[1]]
        assert await _listed(bench, parent=parent.pid, name="other") == []
        assert await _listed(bench, parent=other.pid) == []
        assert await _listed(bench, parent="0" * 32) == []

    async def test_processes_are_found_by_a_text(self, bench: Bench) -> None:
        """In a name, at the beginning of a key or a pid, or as a tag."""
        sample = (await bench.one(bench.queued())).pid
        other = (await bench.one(bench.queued(OTHER_PLAN))).pid
        keyed = (await bench.one(bench.queued(key="order-7"))).pid
        beyond = (await bench.one(bench.queued(key="order."))).pid
        tagged = (await bench.one(bench.queued(OTHER_PLAN, tags=("blue", "Sam", "blue")))).pid
        assert await _listed(bench, search="AMP") == [beyond, keyed, sample]
        assert await _listed(bench, search="order-") == [keyed]
        assert await _listed(bench, search="order") == [beyond, keyed]
        assert await _listed(bench, search="blue") == [tagged]
        assert await _listed(bench, search="blu") == await _listed(bench, search="%") == []
        assert await _listed(bench, search="Sam") == [tagged, beyond, keyed, sample]
        assert await _listed(bench, search=other) == await _listed(bench, search=_dashed(other)) == [other]
        assert other in await _listed(bench, search=other[:8])
        assert await _listed(bench, search=other[:7]) == []

    async def test_what_is_found_is_chosen_and_comes_in_pages(self, bench: Bench) -> None:
        """As all that is listed."""
        one = await bench.one(bench.running(key="a-1"))
        two = await bench.one(bench.queued(OTHER_PLAN, tags=("a-",)))
        three = await bench.one(bench.queued(key="a-2"))
        pids = [three.pid, two.pid, one.pid]
        assert await _listed(bench, search="a-") == pids
        assert await _listed(bench, search="a-", limit=2) == pids[:2]
        assert await _listed(bench, search="a-", after=pids[0]) == pids[1:]
        assert await _listed(bench, search="a-", after=pids[1]) == pids[2:]
        assert await _listed(bench, search="a-", statuses=(ProcessStatus.QUEUED,)) == pids[:2]
        assert await _listed(bench, search="a-", name="other") == [two.pid]
        assert await _listed(bench, search="samp", name="other") == []
        queued = {"statuses": (ProcessStatus.QUEUED,), "name": "sample"}
        assert await _listed(bench, search="a-", **queued) == await _listed(bench, search="s", **queued)
        await bench.done(b.Change(two.pid, cancel))
        await bench.one(b.Purge(bench.store.now() + 1, 10))
        assert await _listed(bench, search="a-") == [three.pid, one.pid]

    async def test_names_are_known(self, bench: Bench) -> None:
        """Of all that there is, in order, once."""
        assert await bench.store.names() == []
        await bench.done(bench.queued(), bench.queued(OTHER_PLAN), bench.queued(), bench.running())
        assert await bench.store.names() == ["other", "sample"]

    async def test_children_are_found_by_how_their_identity_begins(self, bench: Bench) -> None:
        """Those of one parent only; whatever is in it stands for itself."""
        parent, other = await bench.done(bench.queued(), bench.queued())
        kin = {"parent": parent.process, "depth": 1}
        identities = ["p/s%/key=1", "p/s%/key=2", "p/s_/key=1", "P/S%/key=1"]
        first, *_ = await bench.done(*[bench.queued(key=one, **kin) for one in identities])
        await bench.done(bench.queued(**kin), bench.queued(key="p/s%/key=3", parent=other.process, depth=1))
        await bench.one(b.Change(first.pid, cancel))
        found = await bench.store.relatives(parent.process, "p/s%/")
        statuses = {one.identity: one.status for one in found}
        assert statuses == {identities[0]: ProcessStatus.CANCELLED, identities[1]: ProcessStatus.QUEUED}
        assert first.pid in {one.pid for one in found}

    async def test_history_is_read_in_pages(self, bench: Bench) -> None:
        """In order, after a seq."""
        written = await bench.one(bench.running())
        await bench.one(bench.finish_one(written))
        assert [e.seq for e in await bench.history(written.pid, 0, 2)] == [1, 2]
        assert [e.seq for e in await bench.history(written.pid, 2, 9)] == [3, 4, 5]
        assert await bench.history(written.pid, 5, 9) == []

    async def test_data_of_one_event_may_be_that_of_another(self, bench: Bench) -> None:
        """It is stored once, and read with both."""
        written = await bench.one(bench.running())
        output = {"text": "\x00 \\u0000 ü \U0001f600", "n": [1.5, None]}
        finished = StepFinished(at=bench.at(), step="one", output=output)
        paused = ProcessInterrupted(at=bench.at(), step="one", payload_seq=4)
        await bench.one(bench.append(written, finished, paused))
        events = await bench.history(written.pid, 3, 9)
        assert [event.output if event.seq == 4 else event.data for event in events] == [output, output]
        record = await bench.record(written.pid)
        assert record.interrupt_body is not None
        assert record.state.status is ProcessStatus.INTERRUPTED

    async def test_the_stream_of_all_is_in_the_order_of_commits(self, bench: Bench) -> None:
        """Positions grow, and nothing is missed."""
        start, _ = await bench.store.positions()
        first, second = await bench.one(bench.running()), await bench.one(bench.running())
        await bench.one(bench.finish_one(first))
        events, last = await bench.events_after(start, 100)
        assert [event.pid for event in events] == [first.pid] * 3 + [second.pid] * 3 + [first.pid] * 2
        assert [event.position for event in events] == sorted({event.position for event in events})
        assert last == events[-1].position == (await bench.store.positions())[0]
        page, after = await bench.events_after(start, 2)
        assert (page, after) == (events[:2], events[1].position)
        assert await bench.events_after(last, 9) == ([], last)

    async def test_failures_of_what_was_deferred_are_found(self, bench: Bench) -> None:
        """The newest first, of all processes that there are."""
        assert await bench.store.deferred_failures(9) == []
        error = ErrorInfo(type="E", message="DeferredUpdateFailed")
        one, two = await bench.done(bench.running(), bench.running())
        for written, origin in ((one, "a"), (two, "b"), (two, "c")):
            record = await bench.record(written.pid)
            failed = DeferredUpdateFailed(at=bench.at(), step="one", origin=origin, error=error)
            await bench.one(bench.append(msgspec.structs.replace(written, state=record.state), failed))
        found = await bench.store.deferred_failures(9)
        assert [(event.pid, event.origin) for event in found] == [
            (two.pid, "c"),
            (two.pid, "b"),
            (one.pid, "a"),
        ]
        assert await bench.store.deferred_failures(1) == found[:1]
        assert found[0] in await bench.history(two.pid)

    async def test_what_comes_next_is_known(self, bench: Bench) -> None:
        """When something is due, when the oldest ended."""
        now = bench.store.now()
        assert await bench.store.next_moments(now) == (None, None)
        await bench.done(bench.queued(delay_s=FAR_S), bench.queued(delay_s=2 * FAR_S))
        ended = await bench.ended()
        due_at, expires_at = await bench.store.next_moments(now)
        assert due_at is not None
        assert abs(due_at - now - FAR_S) < 60
        assert expires_at is None
        assert await bench.store.next_purge(5) == ended.state.ended_at + 5

    async def test_who_has_lost_its_parent_is_known(self, bench: Bench) -> None:
        """While it is alive, and nobody has wanted it to end."""
        parent = await bench.one(bench.running())
        child, wanted = await bench.done(
            bench.running(parent=parent.process, depth=1), bench.running(parent=parent.process, depth=1)
        )
        assert (await bench.record(child.pid)).parent_pid == parent.pid
        assert await bench.store.bereaved(9) == []
        await bench.done(bench.end(parent), b.Leave(wanted.pid, "cancel", b"{}"))
        assert await bench.store.bereaved(9) == [child.pid]
        assert (await bench.store.news(bench.me, frozenset())).is_bereaved
        await bench.one(bench.end(child))
        assert await bench.store.bereaved(9) == []

    async def test_processes_are_counted_by_status(self, bench: Bench) -> None:
        """Those that there are."""
        assert await bench.store.counts() == {}
        await bench.done(bench.queued(), bench.queued(), bench.running())
        assert await bench.store.counts() == {ProcessStatus.QUEUED: 2, ProcessStatus.RUNNING: 1}

    async def test_what_is_stored_outlives_the_store(self, bench: Bench) -> None:
        """Closing twice is fine."""
        written = await bench.one(bench.running())
        await bench.store.close()
        await bench.store.close()
        bench.store = bench.new_store()
        await bench.store.open()
        assert (await bench.record(written.pid)).state == written.state
        assert isinstance(await bench.one(bench.finish_one(written)), b.Written)


def _dashed(pid: str) -> str:
    return f"{pid[:8]}-{pid[8:12]}-{pid[12:]}".upper()


async def _listed(bench: Bench, **wanted: Any) -> list[str]:
    return [record.pid for record in await bench.store.records(Wanted(**wanted))]
