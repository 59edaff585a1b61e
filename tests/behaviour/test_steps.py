"""Every kind of thing that can be a step."""

from __future__ import annotations

import threading

import anyio
import pytest

from procactors import InvalidDefinitionError, Process, ProcessFailedError, Retry, Step, step
from tests.behaviour.steps import echo, fail_often, note, plain


async def with_arguments(data, greeting, *, name):
    return {"text": f"{greeting} {name}"}


async def with_context_and_arguments(data, ctx, greeting, *, name):
    return {"text": f"{greeting} {name}", "step": ctx.step}


async def with_service(data, *, database):
    return {"database": database}


async def with_optional(data, *, database="none", cache="none"):
    return {"database": database, "cache": cache}


async def spoils_its_arguments(data, options):
    options["n"] += 1
    return options


def plain_with_context(data, ctx):
    ctx.progress(1, 2, "half")
    return {"pid": ctx.pid, "thread": threading.current_thread() is not threading.main_thread()}


async def tells_context(data, ctx):
    return {
        "pid": ctx.pid,
        "step": ctx.step,
        "attempt": ctx.attempt,
        "data": ctx.data,
        "services": sorted(ctx.services),
        "key": ctx.idempotency_key,
    }


class Greeter:
    def __init__(self, greeting, *, name, database=None):
        self.greeting, self.name, self.database = greeting, name, database

    async def execute(self, data):
        return {"text": f"{self.greeting} {self.name}", "database": self.database}


class PlainGreeter:
    def __init__(self, greeting):
        self.greeting = greeting

    def execute(self, data, ctx):
        return {"text": self.greeting, "step": ctx.step, "in_loop": _in_loop()}


class Nested:
    class Inner:
        async def execute(self, data):
            return {"inner": True}

    @staticmethod
    async def static(data):
        return {"static": True}


class Counting:
    """Is built anew for each attempt, or else it would remember."""

    def __init__(self):
        self.count = 0

    async def execute(self, data):
        self.count += 1
        return {"count": self.count}


class NoExecute:
    pass


class FailsToBuild:
    def __init__(self):
        raise RuntimeError("can't be built")

    async def execute(self, data):
        return data


def make_greeter(greeting, *, name):
    return Greeter(greeting, name=name)


@step
async def marked(data):
    return {"marked": True}


@step(name="behaviour-stable-name")
async def marked_with_a_name(data):
    return {"named": True}


@step(name="behaviour-stable-class")
class MarkedClass:
    async def execute(self, data):
        return {"class": True}


def _in_loop():
    try:
        anyio.get_current_task()
    except Exception:  # noqa: BLE001 - sniffio's or anyio's, either says that there is no loop
        return False
    return True


async def run(m, call, data=None, **options):
    return await (await m.start(Process("p", {"s": Step("s", call, **options)}), data)).result()


async def test_a_plain_function_runs_in_a_thread(m):
    assert await run(m, plain, {"a": 1}) == {"a": 1, "thread": True}


async def test_a_plain_function_may_take_the_context(m):
    output = await run(m, plain_with_context)
    assert output["thread"]
    assert len(output["pid"]) == 32


async def test_arguments_of_a_function_follow_data_and_context(m):
    for call in (with_arguments, with_context_and_arguments):
        output = await run(m, call, args=("Hello",), kwargs={"name": "World"})
        assert output["text"] == "Hello World"


async def test_a_class_is_built_from_args_kwargs_and_services(world):
    async with world.manager(services={"database": "db"}) as m:
        output = await run(m, Greeter, args=("Hello",), kwargs={"name": "World"}, services=("database",))
        assert output == {"text": "Hello World", "database": "db"}


async def test_a_plain_execute_runs_in_a_thread_and_may_take_the_context(m):
    output = await run(m, PlainGreeter, args=("Hi",))
    assert output == {"text": "Hi", "step": "s", "in_loop": False}


async def test_a_factory_builds_the_step(m):
    output = await run(m, make_greeter, args=("Hello",), kwargs={"name": "you"})
    assert output["text"] == "Hello you"


async def test_a_class_is_built_for_each_use(m):
    process = Process("p", {"a": Counting, "b": Counting})
    assert await (await m.start(process)).result() == {"count": 1}


async def test_a_class_that_can_not_be_built_fails_the_step(m):
    with pytest.raises(ProcessFailedError, match="can't be built") as caught:
        await run(m, FailsToBuild)
    assert caught.value.step == "s"
    assert caught.value.error.type == "RuntimeError"


async def test_nested_classes_and_static_methods_are_steps(m):
    assert await run(m, Nested.Inner) == {"inner": True}
    assert await run(m, Nested.static) == {"static": True}


async def test_services_come_by_keyword(world):
    async with world.manager(services={"database": "db"}) as m:
        assert await run(m, with_service, services=("database",)) == {"database": "db"}


async def test_optional_services_that_are_absent_are_left_out(world):
    async with world.manager(services={"database": "db"}) as m:
        output = await run(m, with_optional, optional_services=("database", "cache"))
        assert output == {"database": "db", "cache": "none"}


async def test_a_service_of_none_or_false_is_there_all_the_same(world):
    async with world.manager(services={"database": None, "cache": 0}) as m:
        output = await run(m, with_optional, optional_services=("database", "cache"))
        assert output == {"database": None, "cache": 0}


async def test_the_context_tells_where_the_step_is(m):
    handle = await m.start(Process("p", {"s": tells_context}), {"a": 1})
    output = await handle.result()
    assert output["pid"] == handle.pid
    assert output["step"] == "s"
    assert output["attempt"] == 1
    assert output["data"] == {"a": 1}
    assert output["services"] == ["probe"]
    assert output["key"]


async def test_idempotency_keys_differ_between_steps_and_processes(m):
    keys = set()
    for _ in range(2):
        handle = await m.start(Process("p", {"a": tells_context, "b": tells_context}))
        await handle.result()
        async with m.subscribe(handle.pid) as events:
            keys |= {e.output["key"] async for e in events if type(e).__name__ == "StepFinished"}
    assert len(keys) == 4


async def test_arguments_are_fresh_for_each_process(m):
    process = Process("p", {"s": Step("s", spoils_its_arguments, args=({"n": 1},))})
    for _ in range(3):
        assert await (await m.start(process)).result() == {"n": 2}
    assert process.steps["s"].args == ({"n": 1},)


async def test_arguments_changed_by_their_giver_afterwards_do_not_matter(m):
    options = {"n": 1}
    process = Process("p", {"s": Step("s", spoils_its_arguments, args=(options,))})
    options["n"] = 100
    assert await (await m.start(process)).result() == {"n": 2}


async def test_a_marked_step_runs_by_its_reference(m):
    spec = {"name": "p", "steps": {"s": {"call": f"{__name__}:marked"}}}
    assert await (await m.start(Process.from_spec(spec))).result() == {"marked": True}


async def test_a_stable_name_is_the_reference(m):
    assert Process("p", [marked_with_a_name]).to_spec()["steps"]["marked_with_a_name"] == {
        "call": "behaviour-stable-name"
    }
    for name, output in (("name", {"named": True}), ("class", {"class": True})):
        spec = {"name": "p", "steps": {"s": {"call": f"behaviour-stable-{name}"}}}
        assert await (await m.start(Process.from_spec(spec))).result() == output


async def test_a_list_may_mix_functions_classes_and_steps(m):
    process = Process("p", [echo, Counting, Step("third", plain)])
    assert process.names == ("echo", "Counting", "third")
    assert (await (await m.start(process)).result())["count"] == 1


async def test_a_step_may_be_used_under_its_own_name_in_a_dict(m):
    process = Process("p", {"s": Step("s", echo)})
    assert await (await m.start(process, {"a": 1})).result() == {"a": 1}


async def test_executor_thread_puts_a_plain_function_into_a_thread(m):
    assert (await run(m, plain, {}, executor="thread"))["thread"]


async def test_a_hundred_steps_in_a_row(m, probe):
    process = Process("p", {f"step {n}": note for n in range(100)})
    await (await m.start(process)).result()
    assert probe.steps == [f"step {n}" for n in range(100)]


async def test_the_idempotency_key_is_stable_across_attempts(world, probe):
    probe.failures = 1
    async with world.manager() as m:
        handle = await m.start(
            Process("p", {"s": Step("s", KeyTeller, retry=Retry(attempts=2, delay=0.1))}), {}
        )
        keys = (await handle.result())["keys"]
        assert len(keys) == 2
        assert len(set(keys)) == 1


KEYS = []


class KeyTeller:
    async def execute(self, data, ctx):
        KEYS.append(ctx.idempotency_key)
        await fail_often(data, ctx)
        return {"keys": KEYS[-2:]}


def local_step():
    async def inside(data):
        return data

    return inside


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ({"s": lambda data: data}, "lambda"),
        ({"s": local_step()}, "local"),
        ([lambda data: data], "lambda"),
        ({"s": NoExecute}, "execute"),
        ({"s": 7}, "s"),
        ({"s": None}, "s"),
        ({}, "step"),
        ([], "step"),
        ([echo, echo], "echo"),
        ([Step("a", echo), Step("a", note)], "a"),
        ({"a": Step("b", echo)}, "b"),
    ],
)
def test_what_can_not_be_a_step_is_refused_at_construction(steps, word):
    with pytest.raises(InvalidDefinitionError, match=word):
        Process("p", steps)
