"""What events tell of a process, compared with what the store says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procactors import ProcessStatus
from procactors.cli.track import Track
from procactors.errors import ProcessEndedError
from procactors.model import event as e
from procactors.testing import manager
from tests.unit.cli.samples import IMPORT, NOW, PLAIN


async def read(m, pid, until=None):
    """Return a track of the events of a process, up to its end or the first of a class."""
    track = Track()
    async with m.subscribe(pid) as events:
        async for event in events:
            track.add(event)
            if until and isinstance(event, until):
                break
    return track


async def assert_like_the_store(m, track):
    info = await m.info(track.pid)
    assert (track.name, track.status, track.steps, track.step) == (
        info.name,
        info.status,
        info.steps,
        info.step,
    )


async def test_track_of_a_finished_process_is_what_the_store_says():
    async with manager() as m:
        handle = await m.start(PLAIN, {"a": 1})
        await handle.result()
        track = await read(m, handle.pid)
        await assert_like_the_store(m, track)
        assert track.output == {"a": 1}
        assert track.done == 1
        assert track.span.seconds(NOW) == pytest.approx(4, abs=0.1)


async def test_track_of_an_interrupted_process_has_its_question():
    async with manager() as m:
        handle = await m.start(IMPORT, {"a": 1})
        track = await read(m, handle.pid, e.ProcessInterrupted)
        await assert_like_the_store(m, track)
        assert track.question.data == {"a": 1}
        await handle.proceed({"approved": True})
        await handle.result()
        assert (await read(m, handle.pid)).question is None


async def test_track_of_a_failed_process_has_its_error_until_it_is_tried_again():
    async with manager() as m:
        handle = await m.start(IMPORT, {"fails": 2})
        await read(m, handle.pid, e.ProcessInterrupted)
        await handle.proceed({"approved": True})
        with pytest.raises(ProcessEndedError):
            await handle.result()
        track = await read(m, handle.pid)
        await assert_like_the_store(m, track)
        assert str(track.error) == "OSError: disk full"
        await handle.retry()
        await handle.result()
        track = await read(m, handle.pid)
        await assert_like_the_store(m, track)
        assert track.error is None


async def test_track_of_a_cancelled_process_has_the_reason():
    async with manager() as m:
        handle = await m.start(IMPORT)
        await read(m, handle.pid, e.ProcessInterrupted)
        await handle.cancel(reason="not now")
        track = await read(m, handle.pid)
        assert track.status is ProcessStatus.CANCELLED
        assert track.state.reason == "not now"


def test_progress_counts_as_a_part_of_a_step():
    track = Track()
    for event in (queued(), e.ProcessStarted(at=NOW), e.StepStarted(at=NOW, step="count")):
        track.add(event)
    assert track.done == 0
    track.add(e.StepProgressed(at=NOW, step="count", done=1, total=4))
    assert track.done == 0.25
    track.add(e.StepProgressed(at=NOW, step="count", done=9, total=4))
    assert track.done == 1
    track.add(e.StepFinished(at=NOW, step="count"))
    assert (track.done, track.progress) == (1, None)


def test_event_that_is_not_known_here_does_not_end_the_track():
    track = Track()
    track.add(queued())
    track.add(e.StepStarted(at=NOW, step="store"))  # as if the events before were a newer version's
    assert track.status is ProcessStatus.QUEUED


def test_track_without_events_is_empty():
    track = Track()
    assert (track.pid, track.name, track.steps, track.step, track.done) == ("", "", {}, None, 0)


def test_time_of_a_step_begins_anew_with_each_attempt():
    track = Track()
    for event in (
        queued(),
        e.ProcessStarted(at=NOW),
        e.StepStarted(at=NOW, step="count"),
        e.ProcessReleased(at=NOW),
        e.ProcessResumed(at=NOW),
        e.StepStarted(at=NOW + timedelta(hours=1), step="count"),
    ):
        track.add(event)
    assert track.spans["count"].seconds(NOW + timedelta(hours=1, seconds=5)) == 5


def queued():
    return e.ProcessQueued(at=NOW, pid="ab" * 16, name="import", definition=IMPORT.to_spec())
