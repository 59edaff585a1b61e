"""Bad input, and what it gets: a clear error of the project's own class, nothing lost and nothing hanging.

One test for each kind, on a real file. What full and read-only disks do is in tests/crash/test_bad_disks.py.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager

import anyio
import pytest

from procactors import (
    Interrupt,
    InvalidDataError,
    InvalidDefinitionError,
    InvalidStoreError,
    NotInterruptedError,
    Process,
    ProcessFailedError,
    ProcessManager,
    ProcessStatus,
    SchemaTooNewError,
    Step,
    StepNotResolvableError,
    UnknownProcessError,
)

UNKNOWN_PID = "0199e7a1c0de70008000000000000000"


async def echo(data):
    return data


async def asks(data):
    return Interrupt(data)


async def returns_what_json_can_not_hold(data):
    return {"page": {"handle": object()}}


class WithoutExecute:
    """No step."""


ECHO = Process("echo", [echo])


@pytest.fixture
async def manager(tmp_path):
    """A manager that has to be of use still when the bad thing is over."""
    with anyio.fail_after(30):
        async with ProcessManager(f"sqlite:///{tmp_path}/a.db") as manager:
            yield manager
            assert await (await manager.start(ECHO, {"x": 1})).result() == {"x": 1}


async def test_an_empty_step_list_is_refused():
    for steps in ([], {}, ()):
        with pytest.raises(InvalidDefinitionError, match="nothing"):
            Process("nothing", steps)


async def test_two_steps_of_one_name_are_refused():
    with pytest.raises(InvalidDefinitionError, match="echo"):
        Process("p", [echo, Step("other", echo), Step("echo", asks)])


async def test_a_reference_that_does_not_import_is_refused_at_start_and_nothing_is_stored(manager):
    for reference in ("no_such_module:f", "tests.integration.test_bad_input:no_such_function"):
        process = Process.from_spec({"name": "p", "steps": {"lost": {"call": reference}}})
        with pytest.raises(StepNotResolvableError, match=reference) as caught:
            await manager.start(process)
        assert caught.value.step == "lost"
        assert "step 'lost'" in str(caught.value)
    assert await manager.list() == []


async def test_a_class_without_execute_is_refused():
    with pytest.raises(InvalidDefinitionError, match="execute"):
        Process("p", {"a": WithoutExecute})


async def test_a_step_that_returns_what_json_can_not_hold_fails_the_process_and_names_the_field(manager):
    handle = await manager.start(Process("p", {"bad": returns_what_json_can_not_hold, "never": echo}))
    with pytest.raises(ProcessFailedError, match=r"page\.handle") as caught:
        await handle.result()
    assert (caught.value.step, caught.value.error.type) == ("bad", "InvalidDataError")
    info = await handle.info()
    assert info.steps == {"bad": "failed", "never": "pending"}


async def test_input_that_json_can_not_hold_is_refused_and_nothing_is_stored(manager):
    with pytest.raises(InvalidDataError, match="handle"):
        await manager.start(ECHO, {"handle": object()})
    assert await manager.list() == []


@pytest.mark.parametrize(
    "pid", [UNKNOWN_PID, "", "7", "no pid at all", "'; DROP TABLE procactors_processes", "é" * 32]
)
async def test_an_unknown_or_malformed_pid_is_an_unknown_process(manager, pid):
    with pytest.raises(UnknownProcessError):
        await manager.info(pid)
    with pytest.raises(UnknownProcessError):
        await manager.result(pid)
    with pytest.raises(UnknownProcessError):
        await manager.proceed(pid, {})
    with pytest.raises(UnknownProcessError):
        await manager.cancel(pid)
    with pytest.raises(UnknownProcessError):
        await manager.retry(pid)
    with pytest.raises(UnknownProcessError):
        async with manager.subscribe(pid):
            pass


async def test_proceed_on_a_process_that_is_not_interrupted_is_refused_and_changes_nothing(manager):
    finished = await manager.start(ECHO, {"x": 1})
    await finished.result()
    with pytest.raises(NotInterruptedError, match="finished"):
        await finished.proceed({"x": 2})
    assert (await finished.info()).output == {"x": 1}
    waits = await manager.start(ECHO, delay=3600)
    with pytest.raises(NotInterruptedError, match="sleeping"):
        await waits.proceed()


async def test_a_second_answer_to_one_question_is_refused(manager):
    handle = await manager.start(Process("p", [asks, echo]))
    async with handle.subscribe() as events:
        async for event in events:
            if type(event).__name__ == "ProcessInterrupted":
                break
    await handle.proceed({"answer": 1})
    with pytest.raises(NotInterruptedError):
        await handle.proceed({"answer": 2})
    assert await handle.result() == {"answer": 1}


async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "a.db"
    async with ProcessManager(f"sqlite:///{path}") as manager:
        await (await manager.start(ECHO)).result()
    with closing(path) as connection:
        connection.execute("INSERT INTO procactors_schema VALUES (9999, 0)")
    for run in (True, False):
        with pytest.raises(SchemaTooNewError, match="9999"):
            async with ProcessManager(f"sqlite:///{path}", run=run):
                pass
    with closing(path) as connection:
        connection.execute("DELETE FROM procactors_schema WHERE version = 9999")
    async with ProcessManager(f"sqlite:///{path}") as manager:
        assert [info.status for info in await manager.list()] == [ProcessStatus.FINISHED]


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_bytes(b"Dear reader, " * 1000)
    with pytest.raises(InvalidStoreError, match=r"letter\.txt"):
        async with ProcessManager(f"sqlite:///{path}"):
            pass
    assert path.read_bytes() == b"Dear reader, " * 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


async def test_a_negative_time_is_refused(manager):
    with pytest.raises(InvalidDefinitionError, match="timeout"):
        Process("p", [echo], timeout=-1)
    with pytest.raises(InvalidDefinitionError, match="timeout"):
        Step("s", echo, timeout=-0.5)
    with pytest.raises(InvalidDefinitionError, match="heartbeat"):
        Step("s", echo, heartbeat=-1)
    with pytest.raises(InvalidDefinitionError, match="timeout"):
        Interrupt({}, timeout=-1)
    with pytest.raises(InvalidDefinitionError, match="delay"):
        await manager.start(ECHO, delay=-1)
    assert await manager.list() == []


async def test_subscribers_that_go_away_in_mid_stream_disturb_nobody(manager):
    handle = await manager.start(Process("p", {f"s{n}": echo for n in range(20)}), {"x": 1})
    stays = []
    async with anyio.create_task_group() as group:
        group.start_soon(leave_in_mid_stream, handle)
        group.start_soon(be_cancelled_in_mid_stream, manager)
        async with handle.subscribe() as events:
            stays = [event.seq async for event in events]
    assert stays == list(range(1, len(stays) + 1))
    assert await handle.result() == {"x": 1}


async def leave_in_mid_stream(handle):
    async with handle.subscribe() as events:
        async for event in events:
            if event.seq > 3:
                return


async def be_cancelled_in_mid_stream(manager):
    with anyio.CancelScope() as scope:
        async with manager.subscribe(after=0) as events:
            async for event in events:
                if event.seq > 3:
                    scope.cancel()


@contextmanager
def closing(path):
    """A connection to the file, in a transaction, closed at the end of the block."""
    connection = sqlite3.connect(path)
    with connection:
        yield connection
    connection.close()
