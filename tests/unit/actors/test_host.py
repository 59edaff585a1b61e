"""What only asyncio knows of a task."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from procactors.actors._host import cancel_tasks_below, host_task, was_cancelled
from tests.unit.actors.samples import turns, until

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


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_has_no_tasks_to_cancel_from_outside():
    cancel_tasks_below()


@ASYNCIO_ONLY
async def test_tasks_in_open_groups_and_in_theirs_are_cancelled_even_if_shielded():
    ended = []

    async def sleeper(name):
        with anyio.CancelScope(shield=True):
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                ended.append(name)
                raise

    async def grandmother():
        async with anyio.create_task_group() as group:
            group.start_soon(sleeper, "aunt")
            group.start_soon(mother)
            await turns(5)
            cancel_tasks_below()

    async def mother():
        async with anyio.create_task_group() as group:
            group.start_soon(sleeper, "child")

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever, name="neighbour")
        group.start_soon(grandmother)
        await until(lambda: len(ended) == 2)
        neighbours = [task for task in asyncio.all_tasks() if task.get_name() == "neighbour"]
        assert not neighbours[0].cancelling()
        group.cancel_scope.cancel()
    assert sorted(ended) == ["aunt", "child"]
