"""How many messages a second an actor takes: told, and asked.

Told in bursts that its mailbox holds, until the last has been handled; beside it the same bursts through
an asyncio.Queue with one consumer. Asked one after the other, and by a hundred askers at once; beside
both a bare round trip: a deque, an event, and a future for the reply.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import report
from report import Figure, figure

from procactors.actors import Actor, ActorRef, ActorSystem, Message, Request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

BURST = 1000


class Add(Message, frozen=True):
    """Add a number to the total."""

    number: int


class GetTotal(Request[int], frozen=True):
    """Ask for the total."""


class Total(Actor[Add | GetTotal]):
    """Adds up."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.total = 0

    async def receive(self, message: Add | GetTotal) -> int | None:
        """Add, or answer."""
        match message:
            case Add(number):
                self.total += number
            case GetTotal():
                return self.total
        return None


class Bare:
    """The least that answers a question from another task."""

    def __init__(self) -> None:
        """Begin with none."""
        self.waiting: deque[asyncio.Future[int]] = deque()
        self.has_some = asyncio.Event()

    async def serve(self) -> None:
        """Answer, for ever."""
        while True:
            await self.has_some.wait()
            self.has_some.clear()
            while self.waiting:
                self.waiting.popleft().set_result(0)

    async def ask(self) -> int:
        """Ask."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        self.has_some.set()
        return await future


async def tell(ref: ActorRef[Any], messages: int) -> None:
    """Tell in bursts; wait for each with one ask."""
    message = Add(1)
    for _ in range(messages // BURST):
        for _ in range(BURST):
            ref.tell(message)
        await ref.ask(GetTotal())


async def put(queue: asyncio.Queue[Add | None], messages: int) -> None:
    """Put the same bursts into a queue; wait for each until it has been consumed."""
    message = Add(1)
    for _ in range(messages // BURST):
        for _ in range(BURST):
            queue.put_nowait(message)
        await queue.join()


async def consume(queue: asyncio.Queue[Add | None]) -> None:
    """Take everything out of a queue, for ever."""
    total = 0
    while True:
        message = await queue.get()
        if message is not None:
            total += message.number
        queue.task_done()


async def ask(question: Callable[[], Awaitable[int]], askers: int, messages: int) -> None:
    """Ask so often in all, by so many tasks, each one question after the other."""

    async def one() -> None:
        for _ in range(messages // askers):
            await question()

    async with anyio.create_task_group() as group:
        for _ in range(askers):
            group.start_soon(one)


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure everything in each repetition, a figure right beside its floor."""
    runs = []
    async with ActorSystem() as system, anyio.create_task_group() as group:
        ref = await system.start(Total)
        queue: asyncio.Queue[Add | None] = asyncio.Queue()
        bare = Bare()
        group.start_soon(consume, queue)
        group.start_soon(bare.serve)
        works: list[Callable[[int], Awaitable[None]]] = [
            lambda n: tell(ref, n),
            lambda n: put(queue, n),
            lambda n: ask(lambda: ref.ask(GetTotal()), 1, n // 10),
            lambda n: ask(bare.ask, 1, n // 10),
            lambda n: ask(lambda: ref.ask(GetTotal()), 100, n // 10),
            lambda n: ask(bare.ask, 100, n // 10),
        ]
        for work in works:
            await work(2 * BURST)
        for _ in range(args.repeats):
            runs.append([(await report.timed(work(args.messages)))[0] for work in works])  # noqa: PERF401 - one row
        group.cancel_scope.cancel()
    told, queued, *asked = (list(column) for column in zip(*runs, strict=True))
    return [
        _rate("tell, with dispatch", args.messages, told, "asyncio.Queue", queued, "400,000/s"),
        _rate("ask, one asker", args.messages // 10, asked[0], "deque and future", asked[1], "25,000/s"),
        _rate("ask, 100 askers", args.messages // 10, asked[2], "deque and future", asked[3], "25,000/s"),
    ]


def _rate(
    name: str, messages: int, ours: list[float], beside: str, floor: list[float], target: str
) -> Figure:
    mine, least = ([messages / seconds for seconds in column] for column in (ours, floor))
    return figure(name, "messages/s", mine, beside=beside, floor=least, target=target)


if __name__ == "__main__":
    report.main(__doc__, measure, quick={"messages": 1000}, repeats=7, messages=100_000)
