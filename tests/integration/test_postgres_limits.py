"""What PostgreSQL has no room for is refused at once, and holds up nobody else."""

from __future__ import annotations

import string
from random import Random

import anyio
import pytest

from procactors import InvalidDataError, Process, ProcessManager

PATIENCE_S = 100
LONG = "".join(Random(0).choices(string.ascii_letters, k=5000))  # it can't be packed either


async def work(data):
    return data


WORK = Process("work", [work])


@pytest.mark.parametrize(
    ("process", "options"),
    [(WORK, {"key": LONG}), (WORK, {"tags": [LONG]}), (Process(LONG, [work]), {})],
    ids=["key", "tag", "name"],
)
async def test_text_too_long_for_an_index_is_refused_and_holds_up_nobody(postgres, caplog, process, options):
    with anyio.fail_after(PATIENCE_S):
        async with ProcessManager(postgres.url("limits")) as manager:
            refusals = []

            async def start_too_long():
                with pytest.raises(InvalidDataError, match="can't keep") as caught:
                    await manager.start(process, **options)
                refusals.append(caught.value)

            async with anyio.create_task_group() as group:
                group.start_soon(start_too_long)
                handles = [await manager.start(WORK, {"n": n}) for n in range(5)]
            assert [await handle.result() for handle in handles] == [{"n": n} for n in range(5)]
            assert len(refusals) == 1
    assert "tried again" not in caplog.text


@pytest.mark.parametrize("asked", [{"name": "a\0b"}, {"search": "\0"}, {"name": LONG}, {"search": LONG}])
async def test_a_list_of_what_no_process_can_have_is_empty(postgres, asked):
    async with ProcessManager(postgres.url("limits"), run=False) as client:
        assert await client.list(**asked) == []
