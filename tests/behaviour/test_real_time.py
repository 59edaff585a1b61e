"""What needs real time and threads: threads that hang, a deaf coroutine, a blocked loop, a real file.

How quick the machine is shows in none of it: what hangs does so until its test has seen what it waits for.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import types

import anyio
import pytest

from procactors import (
    InvalidDataError,
    ManagerOptions,
    Process,
    ProcessCancelledError,
    ProcessFailedError,
    ProcessManager,
    ProcessTimedOutError,
    Retry,
    Step,
)
from procactors.observe import Observer
from tests.behaviour.history import history, kinds, until_status, until_true
from tests.behaviour.steps import deaf, echo, gated, in_thread, note

HASTY = ManagerOptions(grace_s=0.2, blocked_loop_s=0.1)


PATIENCE_S = 60


class Listener(Observer):
    def __init__(self, probe):
        self.blocked = []
        self.abandoned = []
        self.probe = probe

    def loop_blocked(self, seconds, step, stack):
        self.blocked.append((step, stack))
        if step and "careless" in step:
            self.probe.thread_gate.set()

    def thread_abandoned(self, pid, step):
        self.abandoned.append((pid, step))


@pytest.fixture
def listener(probe):
    return Listener(probe)


@pytest.fixture
async def manager(tmp_path, probe, listener):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url, services={"probe": probe}, options=HASTY, observer=listener) as manager:
        yield manager
        probe.thread_gate.set()
        for gate in list(probe.reached):
            probe.gates[gate].set()


def block(seconds):
    """Keep the thread from doing anything else, as a careless step does."""
    threading.Event().wait(seconds)


async def blocks_the_loop(data, ctx):
    """Block it until that is reported."""
    assert ctx.services["probe"].thread_gate.wait(PATIENCE_S)
    return data


def nap(data):
    block(data["s"])
    return data


async def until_in_thread(probe):
    await until_true(lambda: _is_set(probe.in_thread))


async def _is_set(event):
    return event.is_set()


async def _are_called(probe, times):
    return len(probe.calls) >= times


async def _came_back(probe):
    return bool(probe.cleaned)


async def abandoned_at_its_deadline(manager, steps):
    """Return a process that was abandoned, and not before it had begun: a busy machine gets more time."""
    for timeout in (0.2, 1, 5, 20):
        handle = await manager.start(Process("p", steps, timeout=timeout))
        with pytest.raises(ProcessTimedOutError):
            await handle.result()
        error = (await handle.info()).error
        if error is not None and error.abandoned:
            return handle
    raise AssertionError("none was abandoned")


async def test_a_hung_thread_is_abandoned_at_the_deadline_and_the_state_says_so(manager, probe, listener):
    handle = await abandoned_at_its_deadline(manager, {"a": in_thread, "b": note})
    assert not probe.cleaned, "it hangs still"
    assert (await handle.info()).status == "timed_out"
    assert listener.abandoned == [(handle.pid, "a")]
    probe.thread_gate.set()
    await until_true(lambda: _came_back(probe))
    await anyio.sleep(0.05)
    assert (await handle.info()).status == "timed_out"
    assert probe.steps == ["a"]


async def test_a_thread_beyond_the_timeout_of_its_step_is_abandoned_and_the_step_fails(manager, probe):
    handle = await manager.start(Process("p", {"a": Step("a", in_thread, timeout=0.2), "b": note}))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    assert (await handle.info()).error.abandoned
    assert await (await manager.start(Process("q", [nap]), {"s": 0})).result() == {"s": 0}


async def test_a_thread_whose_heartbeats_stop_is_abandoned(manager, probe):
    handle = await manager.start(Process("p", {"a": Step("a", in_thread, heartbeat=0.2)}))
    with pytest.raises(ProcessFailedError, match="heartbeat"):
        await handle.result()
    assert (await handle.info()).error.abandoned


async def test_a_process_in_a_thread_is_cancelled(manager, probe):
    handle = await manager.start(Process("p", {"a": in_thread, "b": note}))
    await until_in_thread(probe)
    assert await handle.cancel(reason="x")
    with pytest.raises(ProcessCancelledError, match="x"):
        await handle.result()
    assert not probe.cleaned, "it hangs still"
    probe.thread_gate.set()
    await until_true(lambda: _came_back(probe))
    await anyio.sleep(0.05)
    assert (await handle.info()).status == "cancelled"
    assert probe.steps == ["a"]


async def test_sixty_hung_threads_do_not_stop_other_threads(manager, probe):
    """Abandoned threads must not use up the pool."""
    hung = [await manager.start(Process("p", {"a": in_thread})) for _ in range(60)]
    await until_true(lambda: _are_called(probe, 60))
    for handle in hung:
        assert await handle.cancel()
    for handle in hung:
        with pytest.raises(ProcessCancelledError):
            await handle.result()
    assert await (await manager.start(Process("q", [nap]), {"s": 0})).result() == {"s": 0}


@pytest.mark.parametrize("ends", ["in the loop", "after the loop"])
def test_an_abandoned_thread_ends_when_its_function_does_although_the_manager_is_gone(tmp_path, probe, ends):
    threads = set(threading.enumerate())

    async def main():
        url = f"sqlite:///{tmp_path}/store.db"
        async with ProcessManager(url, services={"probe": probe}, options=HASTY) as manager:
            await manager.start(Process("p", {"a": in_thread}))
            await until_in_thread(probe)
        if ends == "in the loop":
            probe.thread_gate.set()
            await until_true(lambda: _came_back(probe))
            await anyio.sleep(0.05)

    anyio.run(main)
    probe.thread_gate.set()
    for thread in set(threading.enumerate()) - threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), thread


async def test_a_deaf_coroutine_is_abandoned_after_the_grace(manager, probe):
    await abandoned_at_its_deadline(manager, {"a": deaf, "b": note})
    assert await (await manager.start(Process("q", [echo]), {"x": 1})).result() == {"x": 1}
    probe.gates["a"].set()


@pytest.mark.parametrize("limit", ["timeout", "heartbeat"])
async def test_a_deaf_step_beyond_its_own_time_is_abandoned_and_fails(manager, probe, limit):
    handle = await manager.start(Process("p", [Step("a", deaf, **{limit: 0.1}), note]))
    with pytest.raises(ProcessFailedError) as caught:
        await handle.result()
    assert caught.value.error.type == "TimeoutError"
    assert caught.value.error.abandoned
    probe.gates["a"].set()


async def test_a_deaf_step_that_was_abandoned_is_tried_again(manager, probe):
    step = Step("a", deaf, timeout=0.3, retry=Retry(attempts=100, delay=0))
    handle = await manager.start(Process("p", [step]), {"x": 1})
    await until_true(lambda: _are_called(probe, 2))
    probe.gates["a"].set()
    assert await handle.result() == {"x": 1}


async def test_a_deaf_coroutine_that_was_abandoned_burns_no_processor(manager, probe):
    await abandoned_at_its_deadline(manager, {"a": deaf})
    before, used, wakings = time.monotonic(), time.process_time(), len(probe.cleaned)
    await anyio.sleep(0.5)
    passed = time.monotonic() - before
    assert len(probe.cleaned) - wakings < 100 * passed
    assert time.process_time() - used < 0.5 * passed
    probe.gates["a"].set()


async def test_a_cancelled_deaf_coroutine_ends_as_cancelled(manager, probe):
    handle = await manager.start(Process("p", {"a": deaf, "b": note}))
    await probe.reached["a"].wait()
    assert await handle.cancel()
    with pytest.raises(ProcessCancelledError):
        await handle.result()
    probe.gates["a"].set()
    await anyio.sleep(0.05)
    assert probe.steps == ["a"]


async def test_closing_does_not_wait_for_a_hung_thread(tmp_path, probe):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url, services={"probe": probe}, options=HASTY) as manager:
        handle = await manager.start(Process("p", {"a": in_thread, "b": note}))
        await until_in_thread(probe)
    assert not probe.cleaned, "it hangs still"
    probe.thread_gate.set()
    async with ProcessManager(url, services={"probe": probe}) as manager:
        await manager.result(handle.pid)
        assert probe.calls == [("a", 1), ("a", 1), ("b", 1)]


async def test_closing_does_not_wait_for_a_deaf_coroutine(tmp_path, probe):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url, services={"probe": probe}, options=HASTY) as manager:
        await manager.start(Process("p", {"a": deaf}))
        await probe.reached["a"].wait()
    probe.gates["a"].set()  # only now could it end


async def test_a_blocked_loop_is_reported_with_step_and_stack(manager, listener, caplog):
    with caplog.at_level(logging.WARNING, logger="procactors"):
        handle = await manager.start(Process("p", {"careless": blocks_the_loop}), {"x": 1})
        assert await handle.result() == {"x": 1}
    assert any(step and "careless" in step and "blocks_the_loop" in stack for step, stack in listener.blocked)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "careless" in text
    assert "blocks_the_loop" in text


async def test_a_step_in_a_thread_does_not_block_the_loop(manager, listener):
    for _ in range(3):
        await (await manager.start(Process("p", [echo, nap]), {"s": 0.15})).result()
    assert not any(step and "nap" in step for step, _ in listener.blocked)


async def test_a_manager_whose_loop_was_blocked_keeps_its_processes(tmp_path, probe):
    """Leases are renewed from a thread of their own."""
    url, options = f"sqlite:///{tmp_path}/store.db", ManagerOptions(lease_s=1.5, grace_s=0.2)
    async with ProcessManager(url, services={"probe": probe}, options=options) as manager:
        handle = await manager.start(Process("p", {"a": gated, "b": echo}), {"x": 1})
        await probe.reached["a"].wait()
        block(2)
        await anyio.sleep(0.1)
        probe.gates["a"].set()
        assert await handle.result() == {"x": 1}
        assert "ProcessRecovered" not in kinds(await history(manager, handle.pid))


async def test_a_client_in_another_thread_reads_and_controls(manager, tmp_path, probe):
    handle = await manager.start(Process("p", {"a": gated, "b": echo}), {"x": 1})
    await probe.reached["a"].wait()
    url, answers = f"sqlite:///{tmp_path}/store.db", []

    async def elsewhere():
        async with ProcessManager(url, run=False) as client:
            answers.append((await client.info(handle.pid)).status)
            answers.append(await client.cancel(handle.pid, reason="from another loop"))

    await anyio.to_thread.run_sync(anyio.run, elsewhere)
    assert answers == ["running", True]
    with pytest.raises(ProcessCancelledError, match="another loop"):
        await handle.result()


async def test_fifty_deadlines_in_real_time(manager, probe):
    handles = [await manager.start(Process("p", [gated], timeout=0.3)) for _ in range(50)]
    for handle in handles:
        with pytest.raises(ProcessTimedOutError):
            await handle.result()


MODULE = "behaviour_decisions"


async def test_a_client_that_can_not_resolve_the_schema_hands_the_answer_to_a_manager(tmp_path, monkeypatch):
    module = types.ModuleType(MODULE)
    exec(
        "import msgspec\nfrom procactors import Interrupt\n"
        "class Decision(msgspec.Struct):\n    approved: bool\n"
        "async def asks(data):\n    return Interrupt({'page': 7}, schema=Decision)\n",
        vars(module),
    )
    monkeypatch.setitem(sys.modules, MODULE, module)
    url = f"sqlite:///{tmp_path}/store.db"
    spec = {"name": "p", "steps": {"a": {"call": f"{MODULE}:asks"}}}
    async with ProcessManager(url, modules=[MODULE]), ProcessManager(url, run=False) as client:
        handle = await client.start(Process.from_spec(spec))
        await until_status(handle, "interrupted")
        with pytest.raises(InvalidDataError):
            await client.proceed(handle.pid, {"approved": "perhaps"})
        assert (await handle.info()).status == "interrupted"
        await client.proceed(handle.pid, {"approved": True})
        assert await handle.result() == {"page": 7, "approved": True}
