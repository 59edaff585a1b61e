"""One suite for the loop, threads and OS processes: whatever runs a step, it means the same."""

from __future__ import annotations

import os
import threading

import msgspec
import pytest

from procactors import ManagerOptions, Process, Step
from procactors._clock import SystemClock
from procactors.executors.call import prepare
from procactors.executors.context import StepContext
from procactors.executors.failure import Failure, failure_of
from procactors.executors.output import output_of
from procactors.executors.places import Executors
from tests.contract import executor_steps as steps

PID = "0" * 32
LIMIT_BYTES = 5_000


class Listener:
    """Hears what an executor says of a run."""

    def __init__(self, plan):
        self.plan = plan
        self.beats = 0
        self.progress = []
        self.endings = []

    def begun(self):
        pass

    def progressed(self, done, total, text):
        self.progress.append((done, total, text))

    def beat(self):
        self.beats += 1

    def ended(self, ending):
        self.endings.append(ending)


class Place:
    """Runs steps in one executor."""

    def __init__(self, name, executors):
        self.name = name
        self.executors = executors
        self.heard = None

    async def run(self, call, data=None, **fields):
        """Return the `Output` of a step, or its `Failure`."""
        step = Step("s", call, executor=self.name, **fields)
        self.heard = Listener(Process("p", [step]))
        ctx = StepContext(PID, step.name, 2, {}, self.heard)
        try:
            prepared = prepare(step, {}, ())
            executor = self.executors.of(prepared)
            value = await executor.run(prepared, msgspec.Raw(msgspec.json.encode(data)), ctx, self.heard)
            return output_of(value, step, LIMIT_BYTES)
        except BaseException as error:  # noqa: BLE001 - as the engine does
            return failure_of(error, step.name, 2)

    async def value(self, call, data=None, **fields):
        """Return what a step returned, as the next one would get it."""
        return msgspec.json.decode((await self.run(call, data, **fields)).data)

    async def failure(self, call, data=None, **fields):
        failure = await self.run(call, data, **fields)
        assert isinstance(failure, Failure)
        return failure


@pytest.fixture(params=["loop", "thread", "process"])
async def place(request):
    executors = Executors(SystemClock(), ManagerOptions(payload_limit_bytes=LIMIT_BYTES, workers=1))
    yield Place(request.param, executors)
    await executors.close()


# What goes in, and what comes out.


@pytest.mark.parametrize("call", [steps.echo, steps.echo_async])
async def test_data_goes_in_and_comes_out(place, call):
    data = {"text": "ä", "list": [1, 2.5, None, True], "big": 2**60}
    assert await place.value(call, data) == data


async def test_data_is_read_as_the_type_of_the_first_parameter(place):
    assert await place.value(steps.typed, {"item": "pen"}) == {"item": "pen", "count": 2}


async def test_data_that_does_not_fit_is_never_tried_again(place):
    failure = await place.failure(steps.typed, {"item": 7})
    assert failure.error.type == "InvalidDataError"
    assert "Order" in failure.error.message
    assert not failure.names


async def test_arguments_follow_the_data(place):
    value = await place.value(steps.with_arguments, args=["a", {"b": [1]}], kwargs={"mark": "!"})
    assert value == {"words": ["a", {"b": [1]}], "mark": "!"}


async def test_a_class_is_built_and_executed(place):
    assert await place.value(steps.Built, {"n": 4}, args=[10], kwargs={"offset": 2}) == 42


async def test_an_async_method_is_awaited(place):
    assert await place.value(steps.BuiltAsync, [1]) == ["s", [1]]


async def test_a_factory_makes_what_is_executed(place):
    assert await place.value(steps.make, {"n": 4}, args=[3]) == 12


async def test_the_context_says_which_attempt_it_is(place):
    value = await place.value(steps.of_context, {"x": 1})
    assert value == [PID, "s", 2, f"{PID}-s", {"x": 1}]


async def test_an_interrupt_comes_out_as_a_question(place):
    output = await place.run(steps.ask)
    assert msgspec.json.decode(output.data) == {"n": 1}
    assert output.question.schema_type == "tests.contract.executor_steps:Answer"
    assert "yes" in str(output.question.schema)
    assert output.question.timeout == 5
    assert output.question.on_timeout == b'{"yes":true}'


async def test_a_step_may_be_marked_as_interrupting(place):
    output = await place.run(steps.echo, [1], interrupts=True)
    assert output.question.schema is None


# Failures.


async def test_an_exception_comes_out_whole(place):
    failure = await place.failure(steps.fail)
    error = failure.error
    assert (error.type, error.module, error.message) == ("BrokenError", steps.__name__, "the pipe is broken")
    assert (error.step, error.attempt) == ("s", 2)
    assert "executor_steps.py" in error.traceback
    assert 'raise BrokenError("the pipe is broken")' in error.traceback
    assert error.cause.type == "ValueError"
    assert {"BrokenError", f"{steps.__name__}.BrokenError", "OSError", "Exception"} <= failure.names


async def test_fatal_is_never_tried_again(place):
    failure = await place.failure(steps.fail_for_good)
    assert (failure.error.type, failure.names, failure.retry_after) == ("Fatal", frozenset(), None)


async def test_retry_after_says_when(place):
    assert (await place.failure(steps.ask_for_time)).retry_after == 7


async def test_an_exit_fails_the_step_and_nothing_else(place):
    assert (await place.failure(steps.exit_)).error.type == "SystemExit"
    assert await place.value(steps.echo, 1) == 1


async def test_an_output_that_is_not_json_names_the_field(place):
    error = (await place.failure(steps.unstorable)).error
    assert error.type == "InvalidDataError"
    assert "it" in error.message


async def test_an_output_beyond_the_limit_is_refused(place):
    assert (await place.failure(steps.too_large)).error.type == "PayloadTooLargeError"


# What it says meanwhile.


async def test_signs_of_life_and_the_newest_progress_arrive(place):
    await place.value(steps.tell)
    assert place.heard.progress[0] == (1, 1000, "line 1")
    assert place.heard.progress[-1] == (1000, 1000, "line 1000")
    assert place.heard.beats == 1


async def test_each_runs_where_it_says(place):
    value = await place.value(steps.where)
    is_here = value["os_pid"] == os.getpid()
    assert is_here is (place.name != "process")
    assert not (is_here and value["thread"] == threading.get_ident()), "plain code never blocks the loop"
