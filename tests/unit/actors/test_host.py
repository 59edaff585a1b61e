"""What only asyncio knows of a task."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from procactors.actors._host import host_task, tasks_below, was_cancelled
from tests.unit.actors.samples import turns

ASYNCIO_ONLY = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # on trio there is nothing to know


def test_there_is_no_host_task_outside_of_a_loop():
    assert host_task() is None


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_has_no_host_task_and_no_stray_cancellation():
    assert host_task() is None
    assert was_cancelled()


@ASYNCIO_ONLY
async def test_host_task_is_the_current_one():
    assert host_task() is asyncio.current_task()


@ASYNCIO_ONLY
async def test_task_was_cancelled_only_if_somebody_cancelled_it():
    assert not was_cancelled()
    seen = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep_forever()
        finally:
            seen.append(was_cancelled())
    assert seen == [True]


@ASYNCIO_ONLY
async def test_tasks_below_are_those_in_open_groups_and_in_theirs():
    found = []

    async def grandmother():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever, name="aunt")
            group.start_soon(mother, name="mother")
            await turns(5)
            found.extend(sorted(task.get_name() for task in tasks_below(asyncio.current_task())))
            group.cancel_scope.cancel()

    async def mother():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever, name="child")

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever, name="neighbour")
        group.start_soon(grandmother)
        await turns(10)
        group.cancel_scope.cancel()
    assert found == ["aunt", "child", "mother"]
