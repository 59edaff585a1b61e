"""A crash before and after each commit of a scenario: recovery always ends in the same outputs."""

from __future__ import annotations

import anyio
import pytest

from procactors import (
    Interrupt,
    Process,
    ProcessFailedError,
    ProcessStatus,
    ProcessTimedOutError,
    Retry,
    Sleep,
    Step,
    StepContext,
)
from procactors.testing import explore_crashes


class Outside:
    """The world beyond the store, which no crash takes back: broken until somebody mends it."""

    def __init__(self):
        self._store = None
        self.is_mended = False

    def enter(self, store):
        """Begin anew with each store."""
        if store is not self._store:
            self._store, self.is_mended = store, False


async def double(data):
    return {**data, "x": data["x"] * 2}


async def asks(data):
    return Interrupt(data)


async def asks_nobody(data):
    return Interrupt(data, timeout=60, on_timeout={"answer": -1})


def adds_in_a_thread(data):
    return {**data, "x": data["x"] + data["answer"]}


async def needs_mending(data, *, outside):
    if not outside.is_mended:
        raise OSError("still broken")
    return {**data, "mended": True}


async def fails_at_first(data, ctx: StepContext):
    if ctx.attempt < 3:
        raise ConnectionError("not yet")
    return {**data, "tried": True}


async def hangs(data, ctx: StepContext):
    ctx.progress(1, 2)
    await anyio.sleep_forever()


OUTSIDE = ("outside",)
ASKS = Process("asks", [double, asks, adds_in_a_thread])
ASKS_NOBODY = Process("asks-nobody", [double, asks_nobody, adds_in_a_thread])
BREAKS = Process("breaks", [double, Step("mend", needs_mending, services=OUTSIDE), Step("again", double)])
TRIES = Process(
    "tries", [Step("try", fails_at_first, retry=Retry(attempts=9, delay=5)), double], timeout=None
)  # the time in which it waits for a slot after a failure counts
SLEEPS = Process("sleeps", {"double": double, "rest": Sleep(10), "again": double})
HANGS = Process("hangs", [double, hangs], timeout=30)
HANGS_IN_A_STEP = Process("hangs-in-a-step", [Step("hangs", hangs, timeout=20)])


def scenario_in(outside):
    """A program that starts everything by key, and then does what is still to be done."""

    async def scenario(m):
        outside.enter(m.store)
        plans = (ASKS, ASKS_NOBODY, BREAKS, TRIES, SLEEPS, HANGS, HANGS_IN_A_STEP)
        handles = {plan.name: await m.start(plan, {"x": 3}, key=plan.name) for plan in plans}
        await answered(handles["asks"], {"answer": 10})
        await mended(handles["breaks"], outside)
        return {name: await end_of(handle) for name, handle in handles.items()}

    return scenario


async def answered(handle, answer):
    async with handle.subscribe() as events:
        async for _ in events:
            status = (await handle.info()).status
            if status is ProcessStatus.INTERRUPTED:
                await handle.proceed(answer)
            if status.is_ended:
                return


async def mended(handle, outside):
    if (await end_of(handle))[0] == "ProcessFailedError":
        outside.is_mended = True
        await handle.retry()


async def end_of(handle):
    """Return the output; or how else it ended, as far as no crash makes a difference to it."""
    try:
        return "finished", await handle.result()
    except (ProcessFailedError, ProcessTimedOutError) as error:
        return type(error).__name__, error.error.type


ENDS = {
    "asks": ("finished", {"x": 16, "answer": 10}),
    "asks-nobody": ("finished", {"x": 5, "answer": -1}),
    "breaks": ("finished", {"x": 12, "mended": True}),
    "tries": ("finished", {"x": 6, "tried": True}),
    "sleeps": ("finished", {"x": 12}),
    "hangs": ("ProcessTimedOutError", "ProcessTimedOutError"),
    "hangs-in-a-step": ("ProcessFailedError", "TimeoutError"),
}


@pytest.mark.slow
@pytest.mark.parametrize("max_running", [1, 64])
async def test_a_crash_at_any_commit_changes_no_output(max_running):
    outside = Outside()
    report = await explore_crashes(
        scenario_in(outside), services={"outside": outside}, max_running=max_running
    )
    assert report.output == ENDS
    assert report.commits > 20
    assert report.crashes == 2 * report.commits
