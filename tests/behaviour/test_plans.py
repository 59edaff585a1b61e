"""Definitions that change, and steps that go, while processes are under way."""

from __future__ import annotations

import sys
import types

import anyio
import pytest

from procactors import (
    ManagerOptions,
    Process,
    ProcessCancelledError,
    ProcessManager,
    Step,
    StepNotResolvableError,
    step,
)
from tests.behaviour.history import history, kinds, only, until, until_status
from tests.behaviour.steps import ask, echo, gated, grow, note

MODULE = "behaviour_shop"
SHOP = """
import os
from os import system

async def pack(data):
    return {**data, 'packed': True}

class NoStep:
    pass
"""


@pytest.fixture
def shop(monkeypatch):
    """A module of steps that can be deployed and taken away."""
    module = types.ModuleType(MODULE)
    exec(SHOP, vars(module))
    monkeypatch.setitem(sys.modules, MODULE, module)
    return module


def packing(*before):
    steps = {f"before{n}": {"call": reference} for n, reference in enumerate(before)}
    return Process.from_spec({"name": "p", "steps": steps | {"pack": {"call": f"{MODULE}:pack"}}})


async def test_a_process_under_way_keeps_its_plan_when_the_definition_is_edited(world, probe):
    async with world.manager() as m:
        handle = await m.start(Process("p", {"a": ask, "b": grow, "c": grow}))
        await until(m, handle.pid, "ProcessInterrupted")
    edited = Process("p", {"x": grow, "c": echo, "b": echo})
    async with world.manager() as m:
        other = await m.start(edited)
        await m.proceed(handle.pid)
        assert (await m.result(handle.pid))["trail"] == ["b", "c"]
        assert (await other.result()) == {"trail": ["x"]}
        assert list((await m.info(handle.pid)).steps) == ["a", "b", "c"]


async def test_arguments_of_a_process_under_way_are_those_of_its_start(world, probe):
    def definition(word):
        return Process("p", {"a": ask, "b": Step("b", says, args=(word,))})

    async with world.manager() as m:
        handle = await m.start(definition("old"))
        await until(m, handle.pid, "ProcessInterrupted")
    async with world.manager() as m:
        new = await m.start(definition("new"))
        await until(m, new.pid, "ProcessInterrupted")
        await m.proceed(handle.pid)
        assert await m.result(handle.pid) == {"says": "old"}
        await new.proceed()
        assert await new.result() == {"says": "new"}


async def says(data, word):
    return {"says": word}


async def test_a_reference_resolves_only_in_modules_that_the_manager_was_told_of(tmp_path, shop):
    async with ProcessManager(f"sqlite:///{tmp_path}/a.db") as m:
        with pytest.raises(StepNotResolvableError, match=MODULE):
            await m.start(packing())
    async with ProcessManager(f"sqlite:///{tmp_path}/a.db", modules=[MODULE]) as m:
        assert await (await m.start(packing(), {"x": 1})).result() == {"x": 1, "packed": True}
        outside_of = ("os:system", f"{MODULE}x:pack", f"{MODULE}:nothing", f"{MODULE}:", ":pack")
        imported_there = (f"{MODULE}:os.system", f"{MODULE}:system", f"{MODULE}:pack.__class__")
        for outside in (*outside_of, *imported_there):
            spec = {"name": "p", "steps": {"s": {"call": outside}}}
            with pytest.raises((StepNotResolvableError, ValueError)):
                await m.start(Process.from_spec(spec))


@pytest.mark.parametrize("reference", [f"{MODULE}:NoStep", f"{MODULE}:pack.__class__", "behaviour_script:f"])
async def test_a_row_that_names_what_can_not_be_called_hinders_nobody_else(
    shop, reference, tmp_path, monkeypatch
):
    (tmp_path / "behaviour_script.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    url, modules = f"sqlite:///{tmp_path}/a.db", [MODULE, "behaviour_script"]
    hasty = ManagerOptions(blocked_after_s=0.01)
    async with ProcessManager(url, run=False) as client:
        bad = await client.start(Process.from_spec({"name": "bad", "steps": {"s": {"call": reference}}}))
        good = await client.start(packing())
        async with ProcessManager(url, modules=modules, options=hasty):
            assert await good.result() == {"packed": True}
            await until_status(bad, "blocked")
            assert (await bad.info()).reason


async def test_a_step_that_is_gone_is_passed_over_and_after_a_minute_the_process_is_blocked(world, probe):
    async with world.manager(run=False) as client:
        gone = await client.start(packing())
        here = await client.start(Process("q", [note]))
    async with world.manager(max_running=1) as m:
        await m.result(here.pid)
        await world.clock.advance(10)
        assert (await m.info(gone.pid)).status == "queued"
        await world.clock.advance(55)
        info = await m.info(gone.pid)
        assert info.status == "blocked"
        assert f"{MODULE}:pack" in info.reason
        assert info.owner is None
        events = await until(m, gone.pid, "ProcessBlocked")
        assert events[-1].step == "pack"
        assert kinds(events) == ["ProcessQueued", "ProcessBlocked"]
        assert await (await m.start(Process("q", [note]), {"x": 1})).result() == {"x": 1}


async def test_a_blocked_process_goes_on_when_a_manager_knows_its_step(memory_world, shop):
    async with memory_world.manager(run=False) as client:
        handle = await client.start(packing())
    async with memory_world.manager() as m:
        await memory_world.clock.advance("2m")
        assert (await m.info(handle.pid)).status == "blocked"
        Process("uses it", [shop.pack])
        with anyio.fail_after(600):
            assert await m.result(handle.pid) == {"packed": True}
        assert kinds(await history(m, handle.pid)).count("ProcessBlocked") == 1


async def test_a_blocked_process_goes_on_with_the_next_manager_that_knows_its_step(memory_world, shop):
    steps = {"a": {"call": f"{__name__}:says", "args": ["x"]}, "b": {"call": "behaviour-late-step"}}
    spec = {"name": "p", "steps": steps}
    Process("uses it", {"s": Step("s", says, args=("x",))})
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec(spec))
    async with memory_world.manager() as m:
        await memory_world.clock.advance("2m")
        info = await m.info(handle.pid)
        assert info.status == "blocked"
        assert info.last_completed_step == "a"
    step(name="behaviour-late-step")(shop.pack)
    async with memory_world.manager() as m:
        with anyio.fail_after(600):
            assert await m.result(handle.pid) == {"says": "x", "packed": True}


async def test_a_process_that_was_passed_over_goes_on_when_it_is_started_again(world, shop):
    """As in a program that opens its manager first and defines its processes then."""
    name = f"behaviour-started-again-{world.kind}"
    spec = {"name": "p", "steps": {"pack": {"call": name}}}
    async with world.manager(run=False) as client:
        handle = await client.start(Process.from_spec(spec), key="k")
    async with world.manager() as m:
        await world.clock.advance(1)
        assert (await m.info(handle.pid)).status == "queued"
        step(name=name)(shop.pack)
        assert await m.start(Process("p", {"pack": shop.pack}), key="k") == m.handle(handle.pid)
        with anyio.fail_after(5):
            assert await m.result(handle.pid) == {"packed": True}


async def test_a_blocked_process_can_be_cancelled(memory_world):
    spec = {"name": "p", "steps": {"s": {"call": "never.seen:f"}}}
    async with memory_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec(spec))
    async with memory_world.manager() as m:
        await memory_world.clock.advance("2m")
        assert (await m.info(handle.pid)).status == "blocked"
        assert await m.cancel(handle.pid, reason="x") is True
        with pytest.raises(ProcessCancelledError):
            await m.result(handle.pid)


async def test_time_while_blocked_does_not_count(memory_world, shop):
    """The first step is known, the second only an hour later."""
    steps = {"a": {"call": f"{__name__}:echoes"}, "b": {"call": "behaviour-blocked-step"}}
    Process("uses it", [echoes])
    async with memory_world.manager(run=False) as client:
        spec = {"name": "p", "timeout": 30, "steps": steps}
        handle = await client.start(Process.from_spec(spec), {"x": 1})
    async with memory_world.manager() as m:
        await memory_world.clock.advance("1h")
        assert (await m.info(handle.pid)).status == "blocked"
    step(name="behaviour-blocked-step")(shop.pack)
    async with memory_world.manager() as m:
        assert await m.result(handle.pid) == {"x": 1, "packed": True}


async def echoes(data):
    return data


async def test_a_running_process_whose_next_step_is_not_known_waits_for_who_knows_it(file_world, shop, probe):
    """One manager knows the first step, and the program as a whole learns the second later."""
    spec = {"name": "p", "steps": {"a": {"call": f"{__name__}:echoes"}, "b": {"call": "behaviour-second"}}}
    Process("uses it", [echoes])
    async with file_world.manager(run=False) as client:
        handle = await client.start(Process.from_spec(spec), {"x": 1})
    async with file_world.manager() as m:
        await file_world.clock.advance(2)
        info = await m.info(handle.pid)
        assert info.last_completed_step == "a"
        assert info.status == "queued"
        assert info.owner is None
        step(name="behaviour-second")(shop.pack)
        with anyio.fail_after(70):
            assert await m.result(handle.pid) == {"x": 1, "packed": True}
        assert len(only(await history(m, handle.pid), "StepFinished")) == 2


async def test_a_process_with_a_missing_service_is_not_run_and_not_lost(world, probe):
    process = Process("p", {"s": Step("s", needs_database, services=("database",))})
    async with world.manager(services={"database": "db"}) as m:
        handle = await m.start(process, delay=0.5)
    async with world.manager() as m:
        await world.clock.advance(3)
        info = await m.info(handle.pid)
        assert info.status in {"queued", "sleeping", "blocked", "failed"}
        if info.status == "failed":
            assert "database" in info.error.message
            return
    async with world.manager(services={"database": "db"}) as m:
        assert await m.result(handle.pid) == {"database": "db"}


async def needs_database(data, *, database):
    return {"database": database}


async def test_gated_steps_of_an_old_plan_run_beside_the_new(world, probe):
    async with world.manager() as m:
        old = await m.start(Process("p", {"a": gated, "b": grow}))
        await probe.reached["a"].wait()
        new = await m.start(Process("p", {"b": grow, "c": grow}))
        assert (await new.result())["trail"] == ["b", "c"]
        probe.gates["a"].set()
        assert (await old.result())["trail"] == ["b"]


async def test_a_service_that_one_step_misses_does_not_hold_up_others_with_the_same_code(world):
    missing = Process("p", {"s": Step("s", optional_database, services=("database",))})
    without = Process("q", {"s": Step("s", optional_database)})
    async with world.manager(run=False) as client:
        handles = [await client.start(missing), await client.start(without)]
    async with world.manager() as m:
        late = await m.start(without, delay=1)
        assert await late.result() == {"database": "none"}
        assert await m.result(handles[1].pid) == {"database": "none"}
        assert (await m.info(handles[0].pid)).status == "queued"
        await m.cancel(handles[0].pid)


async def optional_database(data, *, database="none"):
    return {"database": database}
