"""`run_steps`: steps in the caller's task, with no process and no store."""

from __future__ import annotations

import contextvars

import anyio
import pytest

from procactors import (
    Interrupt,
    InvalidDefinitionError,
    Process,
    ProcessFailedError,
    Step,
    StepNotResolvableError,
    run_steps,
)
from tests.behaviour.steps import echo, fail, grow, note, plain
from tests.behaviour.test_data import takes_struct

REQUEST = contextvars.ContextVar("REQUEST", default="none")


async def interrupts(data):
    return Interrupt({"x": 1})


async def returns_an_object(data):
    return {"field": object()}


async def sees_context(data):
    return {"request": REQUEST.get()}


async def with_service(data, *, db):
    return {"db": db}


async def waits(data, ctx):
    ctx.services["probe"].reached["waits"].set()
    await anyio.sleep_forever()


async def uses_the_context(data, ctx):
    ctx.progress(1, 2)
    ctx.heartbeat()
    return {"step": ctx.step, "attempt": ctx.attempt}


async def test_steps_run_one_after_the_other(probe):
    output = await run_steps({"a": grow, "b": grow}, {"x": 1}, services={"probe": probe})
    assert output == {"x": 1, "trail": ["a", "b"]}
    assert probe.steps == ["a", "b"]


async def test_a_list_a_mapping_and_a_process_will_do(probe):
    for steps in ([echo, plain], {"a": echo, "b": plain}, Process("p", [echo, plain]), [Step("s", plain)]):
        assert await run_steps(steps, {"x": 1}) == {"x": 1, "thread": True}


async def test_no_data_is_an_empty_mapping():
    assert await run_steps([echo]) == {}
    assert await run_steps([echo], []) == []


async def test_an_error_names_the_step(probe):
    with pytest.raises(ProcessFailedError, match="no good") as caught:
        await run_steps({"a": note, "bad": fail, "c": note}, services={"probe": probe})
    assert caught.value.step == "bad"
    assert "bad" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.error.type == "ValueError"
    assert probe.steps == ["a", "bad"]


@pytest.mark.parametrize("steps", [[Step("s", echo, interrupts=True)], [interrupts]])
async def test_an_interrupting_step_is_refused(steps):
    with pytest.raises(InvalidDefinitionError, match="interrupt"):
        await run_steps(steps)


async def test_nothing_runs_when_a_later_step_would_interrupt(probe):
    with pytest.raises(InvalidDefinitionError):
        await run_steps([note, Step("s", echo, interrupts=True)], services={"probe": probe})
    assert probe.calls == []


@pytest.mark.parametrize("steps", [{}, [], [echo, echo], {"a": lambda data: data}, None, 7])
async def test_what_are_no_steps_is_refused(steps):
    with pytest.raises(InvalidDefinitionError):
        await run_steps(steps)


async def test_a_missing_service_is_refused():
    with pytest.raises(InvalidDefinitionError, match="db"):
        await run_steps([Step("s", with_service, services=("db",))])
    output = await run_steps([Step("s", with_service, services=("db",))], services={"db": 1})
    assert output == {"db": 1}


async def test_an_unknown_reference_is_refused():
    with pytest.raises(StepNotResolvableError):
        await run_steps(Process.from_spec({"name": "p", "steps": {"a": {"call": "nowhere:f"}}}))


async def test_data_goes_as_json_from_step_to_step():
    with pytest.raises(ProcessFailedError, match="field"):
        await run_steps([returns_an_object, echo])
    assert await run_steps([echo], (1, 2)) == [1, 2]
    assert await run_steps([takes_struct], {"number": 1}) == {"number": 2}


async def test_the_callers_data_is_not_touched(probe):
    data = {"trail": []}
    await run_steps({"a": grow}, data, services={"probe": probe})
    assert data == {"trail": []}


async def test_steps_run_in_the_callers_context():
    REQUEST.set("GET /")
    assert await run_steps([sees_context]) == {"request": "GET /"}


async def test_a_cancellation_goes_into_the_step(probe):
    with anyio.move_on_after(0.05) as scope:
        await run_steps([waits], services={"probe": probe})
    assert scope.cancelled_caught
    assert probe.reached["waits"].is_set()


async def test_the_context_may_be_used():
    assert await run_steps({"s": uses_the_context}) == {"step": "s", "attempt": 1}


async def test_it_works_inside_a_step_of_a_process(m, probe):
    handle = await m.start(Process("p", [runs_steps]), {"x": 1})
    assert await handle.result() == {"x": 1, "trail": ["inner"]}


async def runs_steps(data, ctx):
    return await run_steps({"inner": grow}, data, services=ctx.services)
