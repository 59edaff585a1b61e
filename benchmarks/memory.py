"""How much memory an idle actor takes, and a running process.

What Python's allocators have handed out, as tracemalloc counts it, divided by their number. The actors
have had one message each, and wait for the next. The processes are in their step, which waits: all that
belongs to one is counted, its step's own coroutine too, for which the floor stands: a bare task that waits.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import report
import workload
from report import Figure, figure

from procactors.actors import Actor, ActorSystem, Message

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Awaitable, Callable

    from procactors import ProcessManager

TASK = "a bare task that waits"


class Hello(Message, frozen=True):
    """The one message."""


class Idle(Actor[Message]):
    """Does nothing."""

    async def receive(self, message: Message) -> None:
        """Do nothing."""


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure both."""
    tracemalloc.start()
    tasks = [await growth(args, tasks_waiting(args.number)) for _ in range(args.repeats)]
    actors = [await growth(args, actors_idling(args.number)) for _ in range(args.repeats)]
    processes = [await growth(args, processes_running(args)) for _ in range(args.repeats)]
    return [
        figure("an idle actor", "KiB", actors, beside=TASK, floor=tasks, target="10 KiB"),
        figure("a running process", "KiB", processes, beside=TASK, floor=tasks, target="15 KiB"),
    ]


async def growth(args: argparse.Namespace, crowd: Any) -> float:
    """Return how many KiB one of a crowd takes."""
    async with crowd as fill:
        before = used()
        await fill()
        return (used() - before) / args.number / 1024


def used() -> int:
    """Return the bytes in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@asynccontextmanager
async def tasks_waiting(number: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give what starts bare tasks that wait."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def fill() -> None:
        tasks.extend(loop.create_task(end.wait()) for _ in range(number))
        await anyio.wait_all_tasks_blocked()

    yield fill
    end.set()
    await asyncio.gather(*tasks)


@asynccontextmanager
async def actors_idling(number: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give what starts actors that idle."""
    async with ActorSystem() as system:

        async def fill() -> None:
            for _ in range(number):
                (await system.start(Idle)).tell(Hello())
            await anyio.wait_all_tasks_blocked()

        yield fill


@asynccontextmanager
async def processes_running(args: argparse.Namespace) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give what starts processes that stay in their step."""
    gate, running = anyio.Event(), anyio.Semaphore(0)
    services = {"gates": [gate], "noted": running.release}
    process = workload.gated_after_note()

    async with workload.manager_on_fresh_file(args, services=services, max_running=args.number) as manager:

        async def fill() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(args.number):
                    group.start_soon(manager.start, process, {"gate": 0})
            for _ in range(args.number):
                await running.acquire()

        await warmed(manager)
        yield fill
        gate.set()


async def warmed(manager: ProcessManager) -> None:
    """Run one process, so that what is made once is there."""
    await workload.run_all(manager, workload.of_nothing(1), 1)


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"number": 20}, repeats=3, number=1000)
