"""Children, sleeps and compensations go on in another OS process when theirs is killed."""

from __future__ import annotations

from collections import Counter

import pytest

from procactors import ProcessCancelledError, ProcessFailedError, ProcessManager
from tests.crash.victim import running
from tests.fleet.yard import FAMILY, NAP, UNDONE

YARD = "tests.fleet.yard"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/families.db"


@pytest.fixture
async def client(url):
    async with ProcessManager(url, run=False) as client:
        yield client


async def finished(client):
    """Return how often each step has finished, of all processes by their name."""
    names = {info.pid: info.name for info in await client.list(limit=1000)}
    found = Counter()
    for pid, name in names.items():
        async with client.subscribe(pid) as events:
            found.update([(name, e.step) async for e in events if type(e).__name__ == "StepFinished"])
    return found


async def test_a_family_in_two_programs_survives_the_kill_of_either(url, client, tmp_path):
    async with running(YARD, url, "a", tmp_path, "slots=1") as first:
        handle = await client.start(FAMILY, {"n": 1})
        await first.wrote("begin")
        async with running(YARD, url, "b", tmp_path, "slots=1") as second:
            await second.wrote("begin")
            assert first.noted("begin")[0][2] != second.noted("begin")[0][2], "a child in each"
            await first.kill()
            (tmp_path / "left").touch()
            (tmp_path / "right").touch()
            outputs = await handle.result()
            assert {name: output["passed"] for name, output in outputs.items()} == {
                "left": ["left"],
                "right": ["right"],
            }
    steps = [("family", "both"), ("both.left", "left"), ("both.right", "right")]
    assert await finished(client) == dict.fromkeys(steps, 1)


async def test_a_cancel_from_outside_reaches_the_children_in_all_programs(url, client, tmp_path):
    async with (
        running(YARD, url, "a", tmp_path, "slots=1") as first,
        running(YARD, url, "b", tmp_path, "slots=1") as second,
    ):
        await first.wrote("open")
        await second.wrote("open")
        handle = await client.start(FAMILY, {"n": 1})
        await first.wrote("begin")
        await second.wrote("begin")
        assert await handle.cancel(reason="enough")
        with pytest.raises(ProcessCancelledError, match="enough"):
            await handle.result()
        for child in [info for info in await client.list() if info.parent_pid == handle.pid]:
            with pytest.raises(ProcessCancelledError, match="has ended"):
                await client.result(child.pid)


async def test_a_sleep_is_slept_to_its_end_although_its_manager_is_killed(url, client, tmp_path):
    async with running(YARD, url, "a", tmp_path) as first:
        handle = await client.start(NAP, {"n": 1})
        await first.wrote("said", "before")
        async with handle.subscribe() as events:
            async for event in events:
                if type(event).__name__ == "ProcessSleeping":
                    break
        await first.kill()
    async with running(YARD, url, "b", tmp_path) as second:
        assert await handle.result() == {"n": 1}
        woken_at = float((await second.wrote("said", "after"))[0])
        assert woken_at >= event.due_at.timestamp() - 0.001
        assert not second.noted("said", "before")


async def test_an_undo_goes_on_where_it_was_when_its_manager_is_killed(url, client, tmp_path):
    async with running(YARD, url, "a", tmp_path) as first:
        handle = await client.start(UNDONE, {"n": 1})
        await first.wrote("begin", "flight.undo")
        assert (await handle.info()).status == "undoing"
        await first.kill()
    (tmp_path / "flight.undo").touch()
    async with running(YARD, url, "b", tmp_path) as second:
        with pytest.raises(ProcessFailedError, match="in vain"):
            await handle.result()
        assert (await handle.info()).undone == ("flight", "hotel")
        await second.wrote("said")
        assert [line[1:3] for line in second.lines] == [
            ["open", "b"],
            ["begin", "flight.undo"],
            ["end", "flight.undo"],
            ["said", "hotel.undo"],
        ]
