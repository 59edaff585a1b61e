from contextvars import ContextVar, copy_context

import anyio
import pytest

from procactors.deferred._in_context import InContext, within

variable = ContextVar("variable", default="outside")


async def read_around_a_wait():
    before = variable.get()
    await anyio.lowlevel.checkpoint()
    return before, variable.get()


def context_with(value):
    context = copy_context()
    context.run(variable.set, value)
    return context


async def test_every_step_sees_the_context_and_the_driver_keeps_its_own():
    variable.set("driver")
    assert await InContext(read_around_a_wait(), context_with("deferral")) == ("deferral", "deferral")
    assert variable.get() == "driver"


async def test_what_is_set_within_stays_within():
    async def set_around_a_wait():
        variable.set("first")
        await anyio.lowlevel.checkpoint()
        assert variable.get() == "first"

    context = context_with("before")
    await InContext(set_around_a_wait(), context)
    assert context.run(variable.get) == "first"
    assert variable.get() == "outside"


async def test_errors_and_cancellation_reach_the_coroutine():
    seen = []

    async def wait_for_ever():
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            seen.append((variable.get(), type(error)))
            raise

    with anyio.move_on_after(0) as scope:
        await InContext(wait_for_ever(), context_with("deferral"))
    assert scope.cancelled_caught
    assert seen == [("deferral", anyio.get_cancelled_exc_class())]

    async def fail():
        await anyio.lowlevel.checkpoint()
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await InContext(fail(), context_with("deferral"))


async def test_task_groups_and_timeouts_work_within():
    async def work():
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.lowlevel.checkpoint)
        return scope.cancelled_caught

    assert await InContext(work(), context_with("deferral"))


def test_closing_the_driver_closes_the_coroutine():
    closed = []

    async def work():
        try:
            await _pause()
        finally:
            closed.append(variable.get())

    class _Pause:
        def __await__(self):
            yield

    def _pause():
        return _Pause()

    async def drive():
        await InContext(work(), context_with("deferral"))

    coroutine = drive()
    coroutine.send(None)
    coroutine.close()
    assert closed == ["deferral"]


async def test_only_coroutines_are_driven():
    class Ready:
        def __await__(self):
            return iter(())

    ready = Ready()
    assert within(context_with("x"), ready) is ready
    coroutine = read_around_a_wait()
    assert within(None, coroutine) is coroutine
    await coroutine
