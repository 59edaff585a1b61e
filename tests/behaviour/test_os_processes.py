"""Steps in OS processes of their own: warm workers, crashes, ends by force, limits. All of it is real."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import anyio
import pytest

from procactors import (
    Each,
    InvalidDefinitionError,
    ManagerOptions,
    Parallel,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessManager,
    ProcessTimedOutError,
    Retry,
    Step,
    StepContext,
    run_steps,
    step,
)
from procactors.testing import manager
from tests.behaviour import process_steps as steps
from tests.behaviour import slow_to_import
from tests.behaviour.history import history, kinds, until, until_status, until_true
from tests.behaviour.steps import echo

QUICK = {"kill_grace_s": 0.3, "progress_every_s": 0.01}
EVER_MORE_TIME_S = (1, 5, 20)
"""For a step that has to have begun when its time is over, on a machine that may be busy."""


@pytest.fixture
def managers(tmp_path):
    """Makes managers; after them no OS process is left that they have started."""

    def make(**options):
        return ProcessManager(
            f"sqlite:///{tmp_path}/store.db",
            services={"db": object()},
            options=ManagerOptions(**{**QUICK, **options}),
        )

    yield make
    assert not children_of(os.getpid())


def children_of(os_pid):
    """Return the OS processes that this one has started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(") ")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os_pid and state not in "ZX":
            found.append(stat.parent.name)
    return found


def is_alive(os_pid):
    """Tell whether an OS process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{os_pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def in_worker(call, name="s", **fields):
    return Step(name, call, executor="process", **fields)


async def start(manager, call, data=None, *, timeout=60, env=None, argv=(), **fields):
    return await manager.start(Process("p", [in_worker(call, **fields)], timeout, env=env, argv=argv), data)


async def result(manager, call, data=None, **fields):
    return await (await start(manager, call, data, **fields)).result()


async def failure(manager, call, data=None, **fields):
    with pytest.raises(ProcessFailedError) as caught:
        await result(manager, call, data, **fields)
    return caught.value.error


async def noted(path):
    """Wait for a note, and return its words as numbers."""
    words = []

    async def is_there():
        words[:] = words_in(path)
        return words

    await until_true(is_there)
    return words


def words_in(path):
    return [int(word) for word in path.read_text().split()] if path.exists() else []


async def until_dead(*os_pids):
    async def all_dead():
        return not any(map(is_alive, os_pids))

    await until_true(all_dead)


# Workers.


async def test_a_step_runs_in_another_os_process_of_its_own_session(managers):
    async with managers() as m:
        seen = await result(m, steps.whoami)
        assert seen["os_pid"] != os.getpid()
        assert seen["group"] == seen["session"] == seen["os_pid"]


async def test_a_warm_worker_runs_the_next_step(managers):
    async with managers() as m:
        first, second = await result(m, steps.whoami), await result(m, steps.whoami)
        assert first["os_pid"] == second["os_pid"]


async def test_a_worker_is_replaced_after_so_many_steps(managers):
    async with managers(worker_steps=2) as m:
        seen = [(await result(m, steps.whoami))["os_pid"] for _ in range(4)]
        assert seen[0] == seen[1] != seen[2] == seen[3]
        await until_dead(seen[0])


async def test_a_worker_that_was_killed_in_its_sleep_costs_no_step(managers):
    async with managers(workers=1) as m:
        os_pid = (await result(m, steps.whoami))["os_pid"]
        os.kill(os_pid, 9)
        assert (await result(m, steps.whoami))["os_pid"] != os_pid


async def test_no_more_steps_run_at_once_than_there_are_workers(managers, tmp_path):
    gate = tmp_path / "gate"
    async with managers(workers=1) as m:
        first = await start(m, steps.gated, {"note": str(tmp_path / "first"), "gate": str(gate)})
        await noted(tmp_path / "first")
        second = await start(
            m, steps.gated, {"note": str(tmp_path / "second"), "gate": str(gate)}, timeout=30
        )
        await until(m, second.pid, "StepStarted")
        assert not (tmp_path / "second").exists()
        gate.touch()
        assert await first.result() == await second.result()


async def test_waiting_for_a_worker_does_not_count_as_the_steps_own_time(managers, tmp_path):
    gate = tmp_path / "gate"
    async with managers(workers=1) as m:
        first = await start(m, steps.gated, {"note": str(tmp_path / "first"), "gate": str(gate)})
        await noted(tmp_path / "first")
        hasty = Process("p", [in_worker(steps.stable, timeout=2, heartbeat=2)])
        second = await m.start(hasty, {"n": 1})
        await until(m, second.pid, "StepStarted")
        await anyio.sleep(2.2)
        gate.touch()
        assert await second.result() == {"n": 2}
        await first.result()


async def test_the_import_of_its_module_has_the_time_of_a_step_for_itself(managers):
    async with managers() as m:
        assert await result(m, slow_to_import.use, 1, heartbeat=1.8) == 1


async def test_a_step_with_a_stable_name_is_found(managers):
    async with managers() as m:
        assert await result(m, steps.stable, {"n": 1}) == {"n": 2}


async def test_data_goes_from_step_to_step_whatever_runs_them(managers):
    process = Process("p", [in_worker(steps.stable, "a"), Step("b", echo), in_worker(steps.stable, "c")])
    async with managers() as m:
        assert await (await m.start(process, {"n": 1})).result() == {"n": 3}


async def test_an_interrupt_of_a_worker_checks_its_answer(managers):
    async with managers() as m:
        handle = await start(m, steps.ask)
        await until_status(handle, "interrupted")
        assert "yes" in (await handle.info()).interrupt.schema["$defs"]["Decision"]["properties"]
        await handle.proceed({"yes": True})
        assert await handle.result() == {"n": 1, "yes": True}


async def test_an_interrupt_of_a_worker_has_to_answer_itself_as_it_asks(managers):
    async with managers() as m:
        with pytest.raises(ProcessFailedError, match="does not fit Decision"):
            await result(m, steps.ask_with_a_default_that_does_not_fit)


async def test_a_step_in_place_runs_in_a_worker_too(managers):
    seen = await run_steps([in_worker(steps.whoami)])
    assert seen["os_pid"] != os.getpid()
    await until_dead(seen["os_pid"])


async def test_a_failure_in_place_is_told_as_ever(managers):
    with pytest.raises(ProcessFailedError) as caught:
        await run_steps([in_worker(steps.segfault)])
    assert caught.value.error.signal == "SIGSEGV"


async def test_virtual_time_waits_for_a_worker(managers):
    async with manager() as m:
        handle = await start(m, steps.stable, {"n": 1}, timeout=0.001)
        assert await handle.result() == {"n": 2}


async def test_virtual_time_does_not_wait_for_a_deaf_step_to_die(managers, tmp_path):
    async with manager() as m:
        handle = await start(m, steps.deaf, {"note": str(tmp_path / "note")})
        assert await handle.cancel()
        with pytest.raises(ProcessCancelledError):
            await handle.result()


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_workers_serve_uvloop_too(managers, tmp_path, anyio_backend):
    async with managers() as m:
        assert await result(m, steps.stable, {"n": 1}) == {"n": 2}
        assert (await failure(m, steps.segfault)).signal == "SIGSEGV"
        error = await failure(m, steps.beat_and_wait, heartbeat=0.4)
        assert error.signal == "SIGTERM"


# Environment, arguments, limits.


async def test_environment_and_arguments_of_a_process_reach_its_steps(managers):
    async with managers() as m:
        seen = await result(m, steps.whoami, env={"SHOP": "ä"}, argv=("--wiki", "foo bar"))
        assert seen["env"] == {"SHOP": "ä", "PATH": os.environ["PATH"]}
        assert seen["argv"] == ["--wiki", "foo bar"]


async def test_a_worker_serves_only_processes_that_want_the_same(managers):
    async with managers(workers=1) as m:
        first = await result(m, steps.whoami, env={"SHOP": "a"})
        second = await result(m, steps.whoami)
        assert (first["env"]["SHOP"], second["env"]["SHOP"]) == ("a", None)
        assert first["os_pid"] != second["os_pid"]


@pytest.mark.parametrize(
    ("composite", "data"),
    [
        (Parallel({"part": in_worker(steps.whoami, "part")}), {}),
        (Each(in_worker(steps.whoami), over="items"), {"items": [1]}),
    ],
)
async def test_parts_of_a_step_get_the_environment_of_their_process(managers, composite, data):
    process = Process("p", {"all": composite}, env={"SHOP": "a"}, argv=["--wiki"])
    async with managers() as m:
        output = await (await m.start(process, data)).result()
        (seen,) = output.values() if isinstance(output, dict) else output
        assert (seen["env"]["SHOP"], seen["argv"]) == ("a", ["--wiki"])


async def test_a_step_can_step_back_for_others(managers):
    async with managers() as m:
        assert (await result(m, steps.whoami, nice=7))["nice"] == os.nice(0) + 7


async def test_a_step_that_wants_too_much_memory_fails(managers):
    limit = 400 * 2**20
    async with managers() as m:
        assert await result(m, steps.eat_memory, {"bytes": 2**20}, memory_bytes=limit) == 2**20
        error = await failure(m, steps.eat_memory, {"bytes": limit}, memory_bytes=limit)
        assert error.type == "MemoryError"


# Crashes.


@pytest.mark.parametrize(
    ("call", "exit_code", "signal"),
    [
        (steps.segfault, None, "SIGSEGV"),
        (steps.kill_itself, None, "SIGKILL"),
        (steps.exit_at_once, 3, None),
    ],
)
async def test_a_crash_is_noticed_at_once_and_says_how(managers, call, exit_code, signal):
    async with managers() as m:
        error = await failure(m, call)
        assert error.type == "StepCrashedError", "and not that its time was over"
        assert (error.exit_code, error.signal) == (exit_code, signal)
        assert (error.step, error.attempt) == ("s", 1)
        assert str(exit_code or signal) in error.message


async def test_a_crash_keeps_the_end_of_the_standard_error(managers, capfd):
    async with managers() as m:
        error = await failure(m, steps.segfault)
        assert "last words" in error.stderr
        assert "in segfault" in error.stderr, "where it was, in Python"
        error = await failure(m, steps.exit_at_once)
        assert error.stderr.endswith("the end")
        assert len(error.stderr) == 4096


async def test_an_error_has_the_standard_error_of_its_own_step_only(managers):
    async with managers(workers=1) as m:
        await failure(m, steps.fail_loudly)
        error = await failure(m, steps.fail_loudly)
        assert (error.type, error.stderr) == ("LookupError", "about to fail\n")
        assert "executors/" not in error.traceback


async def test_sys_exit_says_the_exit_code(managers):
    async with managers() as m:
        error = await failure(m, steps.exit_politely)
        assert (error.type, error.exit_code) == ("SystemExit", 4)


async def test_a_crash_is_tried_again_as_the_retry_says(managers):
    retry = Retry(attempts=3, delay=0, on=["StepCrashedError"])
    async with managers() as m:
        assert await result(m, steps.crash_twice, retry=retry) == {"attempt": 3}


async def test_a_crash_takes_along_what_the_step_has_started(managers, tmp_path):
    async with managers() as m:
        await failure(m, steps.leave_child, {"note": str(tmp_path / "note")})
        await until_dead(*await noted(tmp_path / "note"))


async def test_a_crash_concerns_no_other_step(managers, tmp_path):
    gate = tmp_path / "gate"
    async with managers(workers=2) as m:
        other = await start(m, steps.gated, {"note": str(tmp_path / "note"), "gate": str(gate)})
        await noted(tmp_path / "note")
        await failure(m, steps.kill_itself)
        gate.touch()
        assert await other.result()


# Ends by force.


@pytest.mark.parametrize("call", [steps.wait, steps.wait_async])
async def test_a_step_cleans_up_when_its_time_is_over(managers, tmp_path, call):
    async with managers(kill_grace_s=30) as m:
        for heartbeat in EVER_MORE_TIME_S:
            error = await failure(
                m, call, {"note": str(tmp_path / "note")}, timeout=None, heartbeat=heartbeat
            )
            if words_in(tmp_path / "note"):
                break
        assert error.type == "TimeoutError"
        assert error.signal == "SIGTERM"
        assert "SIGTERM" in error.message
        assert (tmp_path / "notecleaned").read_text() == "cleaned up"
        await until_dead(*await noted(tmp_path / "note"))


async def test_a_deaf_step_is_killed_with_its_children_after_the_grace(managers, tmp_path):
    async with managers() as m:
        for timeout in EVER_MORE_TIME_S:
            process = Process("p", [in_worker(steps.deaf, timeout=timeout)])
            handle = await m.start(process, {"note": str(tmp_path / "note")})
            with pytest.raises(ProcessFailedError) as caught:
                await handle.result()
            if os_pids := words_in(tmp_path / "note"):
                break
        error = caught.value.error
        assert (error.type, error.signal) == ("TimeoutError", "SIGKILL")
        assert not error.abandoned
        await until_dead(*os_pids)


async def test_the_process_timeout_ends_the_os_process_and_says_so(managers, tmp_path):
    async with managers(workers=1) as m:
        await result(m, steps.whoami)  # so that it begins at once
        for timeout in EVER_MORE_TIME_S:
            handle = await start(m, steps.deaf, {"note": str(tmp_path / "note")}, timeout=timeout)
            with pytest.raises(ProcessTimedOutError) as caught:
                await handle.result()
            if os_pids := words_in(tmp_path / "note"):
                break
        assert caught.value.error.signal == "SIGKILL"
        await until_dead(*os_pids)


async def test_a_cancel_ends_the_os_process_and_the_history_says_how(managers, tmp_path):
    async with managers() as m:
        handle = await start(m, steps.deaf, {"note": str(tmp_path / "note")})
        os_pids = await noted(tmp_path / "note")
        assert await handle.cancel()
        with pytest.raises(ProcessCancelledError):
            await handle.result()
        assert not any(map(is_alive, os_pids)), "it was dead before the process counted as cancelled"
        events = await history(m, handle.pid)
        assert kinds(events)[-1] == "ProcessCancelled"
        (cut,) = [event.error for event in events if type(event).__name__ == "StepFailed"]
        assert (cut.type, cut.signal) == ("CancelledError", "SIGKILL")
        assert await result(m, steps.stable) == {"n": 1}


async def test_a_step_that_stops_to_beat_is_ended(managers):
    async with managers() as m:
        error = await failure(m, steps.beat_and_wait, heartbeat=0.4)
        assert error.type == "TimeoutError"
        assert "heartbeat" in error.message


async def test_closing_waits_for_a_running_step(managers, tmp_path):
    gate = tmp_path / "gate"
    m = managers(grace_s=30)
    await m.open()
    handle = await start(m, steps.gated, {"note": str(tmp_path / "note"), "gate": str(gate)})
    await noted(tmp_path / "note")

    async def is_closing():
        return "closed" in repr(m)

    async with anyio.create_task_group() as group:
        group.start_soon(m.close)
        await until_true(is_closing)
        gate.touch()
    async with managers() as m:
        assert await m.result(handle.pid)
        assert (await m.info(handle.pid)).attempt == 1


async def test_closing_ends_a_step_that_takes_longer_and_costs_it_no_attempt(managers, tmp_path):
    gate = tmp_path / "gate"
    data = {"note": str(tmp_path / "note"), "gate": str(gate)}
    async with managers(grace_s=0.2) as m:
        handle = await start(m, steps.gated, data)
        os_pids = await noted(tmp_path / "note")
    assert not any(map(is_alive, os_pids))
    gate.touch()
    async with managers() as m:
        await m.result(handle.pid)
        assert (await m.info(handle.pid)).attempt == 1


# What it says meanwhile.


async def test_progress_and_log_records_come_live(managers, tmp_path, caplog):
    gate = tmp_path / "gate"
    caplog.set_level(logging.INFO, "shop")
    async with managers() as m:
        handle = await start(m, steps.tell_and_wait, {"note": str(tmp_path / "note"), "gate": str(gate)})
        seen = (await until(m, handle.pid, "StepProgressed"))[-1]
        assert (seen.done, seen.total, seen.text) == (1, 3, "a third")
        await noted(tmp_path / "note")
        warning, problem = [r for r in caplog.records if r.name == "shop.stock"]
        assert (warning.levelname, warning.getMessage(), warning.item) == ("WARNING", "only 3 left", "pen")
        assert (warning.pid, warning.step, warning.funcName) == (handle.pid, "s", "tell_and_wait")
        assert warning.process != os.getpid()
        assert "ZeroDivisionError" in logging.Formatter().format(problem)
        gate.touch()
        await handle.result()


async def test_what_the_context_does_not_have_in_a_worker_is_refused(managers):
    public = {name for name in dir(StepContext) if name[0] != "_"}
    has = {"pid", "step", "attempt", "idempotency_key", "data", "progress", "heartbeat"}
    async with managers() as m:
        for name in sorted(public - has):
            error = await failure(m, steps.use, {"name": name})
            assert error.type == "InvalidDefinitionError"
            assert f"ctx.{name}" in error.message
            assert "executor='thread'" in error.message


# What is refused at the start.


async def test_a_step_with_services_is_refused(managers):
    async with managers() as m:
        with pytest.raises(InvalidDefinitionError, match="db"):
            await start(m, steps.use, services=["db"])
        assert await m.list() == []


async def test_optional_services_are_left_out(managers):
    async with managers() as m:
        assert await result(m, steps.stable, optional_services=["db"]) == {"n": 1}


async def test_a_step_of_the_main_program_is_refused(managers, monkeypatch):
    def of_main(data):
        return data

    of_main.__module__, of_main.__qualname__ = "__main__", "of_main"
    step(of_main)
    async with managers() as m:
        with pytest.raises(InvalidDefinitionError, match="move it into a module"):
            await start(m, of_main)
        assert await m.list() == []
