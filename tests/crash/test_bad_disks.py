"""A full disk and a read-only one: a clear error in time, and nothing that was acknowledged is lost."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from procactors import ProcessManager, ProcessStatus
from tests.crash.bad_disks import ECHO, HASTY, Door
from tests.crash.victim import running

PROGRAM = "tests.crash.bad_disks"


async def statuses(database):
    async with ProcessManager(f"sqlite:///{database}", run=False) as client:
        return [info.status for info in await client.list()]


def is_sound(database):
    connection = sqlite3.connect(database)
    found = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return found == ("ok",)


async def test_a_full_disk_refuses_a_start_in_time_and_what_runs_goes_on_when_there_is_room(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "full", database) as program:
        _, _, seconds, *error = await program.wrote("refused")
        assert float(seconds) >= HASTY.store_patience_s
        assert "a.db can't be used now" in " ".join(error)
        await program.wrote("done-is", "finished", "{'x':", "1}")  # what is acknowledged can be read
        await program.wrote("under-way-is", "running")  # a checkpoint is not shown before it is durable
        await program.wrote("under-way-ends", "{'x':", "2,", "'passed':", "True}")
        await program.wrote("later-ends", "{'x':", "4}")
        assert await program.ended() == 0, program.log
    assert "writing is tried again" in program.log
    assert await statuses(database) == [ProcessStatus.FINISHED] * 3, "what was refused is not there"
    assert is_sound(database)


async def test_a_kill_on_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path):
    database = tmp_path / "a.db"
    async with running(PROGRAM, "full", database, "stay") as program:
        await program.wrote("under-way-is")
        await program.kill()
    assert await statuses(database) == [ProcessStatus.RUNNING, ProcessStatus.FINISHED]
    door = Door()
    door.opened.set()
    async with ProcessManager(f"sqlite:///{database}", services={"door": door}) as manager:
        (info,) = await manager.list("running") or await manager.list("queued")
        assert await manager.result(info.pid) == {"x": 2, "passed": True}
    assert is_sound(database)


@contextmanager
def folder_for_all():
    """A folder that another user can reach, too (pytest's own can't be)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        try:
            yield folder
        finally:
            folder.chmod(0o777)


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
async def test_a_read_only_file_is_refused_and_left_as_it_was(folder_mode):
    with folder_for_all() as folder:
        database = folder / "a.db"
        async with ProcessManager(f"sqlite:///{database}") as manager:
            await (await manager.start(ECHO, {"x": 1})).result()
        before = database.read_bytes()
        database.chmod(0o444)
        folder.chmod(folder_mode)
        async with running(PROGRAM, "read-only", database) as program:
            assert await program.ended() == 0, program.log
        assert not program.noted("opened")
        errors = [" ".join(words) for words in program.noted("StoreUnavailableError")]
        assert len(errors) == 2, "a manager and a client alike"
        assert all("a.db" in error and "writable" in error for error in errors)
        assert database.read_bytes() == before
        folder.chmod(0o777)
        database.chmod(0o666)
        assert await statuses(database) == [ProcessStatus.FINISHED]
