"""Reading a process's events in tests."""

from __future__ import annotations

import anyio


async def history(manager, pid, after=None):
    """Return all events of a process up to its end."""
    async with manager.subscribe(pid, after=after) as events:
        return [event async for event in events]


async def until(manager, pid, kind, after=None):
    """Return the events up to the first one of a class (by its name)."""
    seen = []
    async with manager.subscribe(pid, after=after) as events:
        async for event in events:
            seen.append(event)
            if type(event).__name__ == kind:
                return seen
    raise AssertionError(f"the stream ended without {kind}: {kinds(seen)}")


async def until_status(handle, status):
    """Wait until a process stands so."""
    await until_true(lambda: _has(handle, status))


async def _has(handle, status):
    return (await handle.info()).status == status


async def until_true(condition):
    """Wait until an async condition holds, for what tells nobody when it happens."""
    while not await condition():  # noqa: ASYNC110 - there is no event to wait for
        await anyio.sleep(0.01)


def kinds(events, *, progress=False):
    """Return the names of the events' classes."""
    names = [type(event).__name__ for event in events]
    return [name for name in names if progress or name != "StepProgressed"]


def only(events, kind):
    """Return the events of one class (by its name)."""
    return [event for event in events if type(event).__name__ == kind]
