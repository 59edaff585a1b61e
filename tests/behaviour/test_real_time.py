"""What needs real time and threads: threads that hang, a deaf coroutine, a blocked loop, a real file."""

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
    Step,
)
from procactors.observe import Observer
from tests.behaviour.history import history, kinds, until_status, until_true
from tests.behaviour.steps import deaf, echo, gated, in_thread, note

HASTY = ManagerOptions(grace_s=0.2, blocked_loop_s=0.1)


class Listener(Observer):
    def __init__(self):
        self.blocked = []
        self.abandoned = []

    def loop_blocked(self, seconds, step, stack):
        self.blocked.append((seconds, step, stack))

    def thread_abandoned(self, pid, step):
        self.abandoned.append((pid, step))


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
async def manager(tmp_path, probe, listener, nothing_is_left):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url, services={"probe": probe}, options=HASTY, observer=listener) as manager:
        yield manager
        probe.thread_gate.set()
        for gate in list(probe.reached):
            probe.gates[gate].set()


def block(seconds):
    """Keep the thread from doing anything else, as a careless step does."""
    threading.Event().wait(seconds)


async def blocks_the_loop(data):
    block(0.5)
    return data


def nap(data):
    block(data["s"])
    return data


async def until_in_thread(probe):
    await until_true(lambda: _is_set(probe.in_thread))


async def _is_set(event):
    return event.is_set()


async def _came_back(probe):
    return bool(probe.cleaned)


async def test_a_hung_thread_is_abandoned_at_the_deadline_and_the_state_says_so(manager, probe, listener):
    handle = await manager.start(Process("p", {"a": in_thread, "b": note}, timeout=0.3))
    began = anyio.current_time()
    with pytest.raises(ProcessTimedOutError):
        await handle.result(timeout=5)
    assert anyio.current_time() - began < 1
    info = await handle.info()
    assert info.status == "timed_out"
    assert info.error.abandoned
    assert listener.abandoned == [(handle.pid, "a")]
    probe.thread_gate.set()
    await until_true(lambda: _came_back(probe))
    await anyio.sleep(0.05)
    assert (await handle.info()).status == "timed_out"
    assert probe.steps == ["a"]


async def test_a_thread_beyond_the_timeout_of_its_step_is_abandoned_and_the_step_fails(manager, probe):
    handle = await manager.start(Process("p", {"a": Step("a", in_thread, timeout=0.2), "b": note}))
    with pytest.raises(ProcessFailedError):
        await handle.result(timeout=5)
    assert (await handle.info()).error.abandoned
    assert await (await manager.start(Process("q", [nap]), {"s": 0})).result(timeout=5) == {"s": 0}


async def test_a_thread_whose_heartbeats_stop_is_abandoned(manager, probe):
    handle = await manager.start(Process("p", {"a": Step("a", in_thread, heartbeat=0.2)}))
    with pytest.raises(ProcessFailedError, match="heartbeat"):
        await handle.result(timeout=5)
    assert (await handle.info()).error.abandoned


async def test_a_process_in_a_thread_is_cancelled(manager, probe):
    handle = await manager.start(Process("p", {"a": in_thread, "b": note}))
    await until_in_thread(probe)
    began = anyio.current_time()
    assert await handle.cancel(reason="x")
    with pytest.raises(ProcessCancelledError, match="x"):
        await handle.result(timeout=5)
    assert anyio.current_time() - began < 1
    probe.thread_gate.set()
    await anyio.sleep(0.05)
    assert (await handle.info()).status == "cancelled"
    assert probe.steps == ["a"]


async def test_sixty_hung_threads_do_not_stop_other_threads(manager, probe):
    """Abandoned threads must not use up the pool."""
    hung = [await manager.start(Process("p", {"a": in_thread}, timeout=0.2)) for _ in range(60)]
    for handle in hung:
        with pytest.raises(ProcessTimedOutError):
            await handle.result(timeout=7)
    assert await (await manager.start(Process("q", [nap]), {"s": 0})).result(timeout=5) == {"s": 0}


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
            await anyio.sleep(0.3)

    anyio.run(main)
    probe.thread_gate.set()
    for thread in set(threading.enumerate()) - threads:
        thread.join(2)
        assert not thread.is_alive(), thread


async def test_a_deaf_coroutine_is_abandoned_after_the_grace(manager, probe):
    handle = await manager.start(Process("p", {"a": deaf, "b": note}, timeout=0.2))
    with pytest.raises(ProcessTimedOutError):
        await handle.result(timeout=5)
    assert (await handle.info()).error.abandoned
    assert await (await manager.start(Process("q", [echo]), {"x": 1})).result(timeout=5) == {"x": 1}
    probe.gates["a"].set()


async def test_a_deaf_coroutine_that_was_abandoned_burns_no_processor(manager, probe):
    handle = await manager.start(Process("p", {"a": deaf}, timeout=0.1))
    with pytest.raises(ProcessTimedOutError):
        await handle.result(timeout=5)
    before, wakings = time.process_time(), len(probe.cleaned)
    await anyio.sleep(0.5)
    assert len(probe.cleaned) - wakings < 50
    assert time.process_time() - before < 0.25
    probe.gates["a"].set()


async def test_a_cancelled_deaf_coroutine_ends_as_cancelled(manager, probe):
    handle = await manager.start(Process("p", {"a": deaf, "b": note}))
    await probe.reached["a"].wait()
    assert await handle.cancel()
    with pytest.raises(ProcessCancelledError):
        await handle.result(timeout=5)
    probe.gates["a"].set()
    await anyio.sleep(0.05)
    assert probe.steps == ["a"]


async def test_closing_does_not_wait_for_a_hung_thread(tmp_path, probe, nothing_is_left):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url, services={"probe": probe}, options=HASTY) as manager:
        handle = await manager.start(Process("p", {"a": in_thread, "b": note}))
        await until_in_thread(probe)
        began = anyio.current_time()
    assert anyio.current_time() - began < 1.5
    probe.thread_gate.set()
    async with ProcessManager(url, services={"probe": probe}) as manager:
        await manager.result(handle.pid, timeout=5)
        assert probe.calls == [("a", 1), ("a", 1), ("b", 1)]


async def test_closing_does_not_wait_for_a_deaf_coroutine(tmp_path, probe):
    url = f"sqlite:///{tmp_path}/store.db"
    async with ProcessManager(url, services={"probe": probe}, options=HASTY) as manager:
        await manager.start(Process("p", {"a": deaf}))
        await probe.reached["a"].wait()
        began = anyio.current_time()
    assert anyio.current_time() - began < 2
    probe.gates["a"].set()


async def test_a_blocked_loop_is_reported_with_step_and_stack(manager, listener, caplog):
    with caplog.at_level(logging.WARNING, logger="procactors"):
        handle = await manager.start(Process("p", {"careless": blocks_the_loop}), {"x": 1})
        assert await handle.result(timeout=5) == {"x": 1}
    assert listener.blocked
    _, step, stack = listener.blocked[0]
    assert "careless" in step
    assert "blocks_the_loop" in stack
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "careless" in text
    assert "blocks_the_loop" in text


async def test_a_loop_that_turns_is_not_reported(manager, listener):
    for _ in range(3):
        await (await manager.start(Process("p", [echo, nap]), {"s": 0.15})).result(timeout=5)
    assert listener.blocked == []


async def test_a_manager_whose_loop_was_blocked_keeps_its_processes(tmp_path, probe):
    """Leases are renewed from a thread of their own."""
    url, options = f"sqlite:///{tmp_path}/store.db", ManagerOptions(lease_s=0.4, grace_s=0.2)
    async with ProcessManager(url, services={"probe": probe}, options=options) as manager:
        handle = await manager.start(Process("p", {"a": gated, "b": echo}), {"x": 1})
        await probe.reached["a"].wait()
        block(1.2)
        await anyio.sleep(0.1)
        probe.gates["a"].set()
        assert await handle.result(timeout=5) == {"x": 1}
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
        await handle.result(timeout=5)


async def test_fifty_deadlines_in_real_time(manager, probe):
    handles = [await manager.start(Process("p", [gated], timeout=0.3)) for _ in range(50)]
    began = anyio.current_time()
    for handle in handles:
        with pytest.raises(ProcessTimedOutError):
            await handle.result(timeout=5)
    assert anyio.current_time() - began < 1.5


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
        with anyio.fail_after(5):
            with pytest.raises(InvalidDataError):
                await client.proceed(handle.pid, {"approved": "perhaps"})
            assert (await handle.info()).status == "interrupted"
            await client.proceed(handle.pid, {"approved": True})
            assert await handle.result() == {"page": 7, "approved": True}
