"""How long it takes from a commit to a subscriber in the same OS process.

A thousand subscribers, each of a process of its own: one process after the other ends its step, and its
subscriber gets the event. And a thousand subscribers of one process: until the last of them has an event.
The floor wakes as many waiting tasks through an asyncio.Queue each.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import anyio
import report
import workload
from report import Figure, figure, ms, percentile

from procactors import ProcessManager
from procactors.observe import Observer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

QUEUES = "an asyncio.Queue each"
ENDING = "ProcessFinished"


class CommitTime(Observer):
    """Knows when the last commit was."""

    def __init__(self) -> None:
        """Begin before any."""
        self.at = 0.0

    def events_committed(self, events: Sequence[object], seconds: float) -> None:  # noqa: ARG002 - the protocol
        """Look at the clock."""
        self.at = time.perf_counter()


class Countdown:
    """Lets one task wait until `left` others have arrived, and remembers when the last one did."""

    def __init__(self) -> None:
        """Begin with nobody to wait for."""
        self.left = 0
        self.at = 0.0
        self.over = asyncio.Event()

    def begin(self, number: int) -> None:
        """Wait for so many."""
        self.left = number
        self.over.clear()

    def arrive(self) -> None:
        """Count one."""
        self.at = time.perf_counter()
        self.left -= 1
        if not self.left:
            self.over.set()


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure both."""
    runs = [await repetition(args) for _ in range(args.repeats)]
    each, last, queue_each, queue_last = ([ms(s) for s in column] for column in zip(*runs, strict=True))
    how, number = workload.durability(args), f"{args.subscribers:,}"
    return [
        figure(
            f"commit to subscriber, {number} of their own, p50",
            "ms",
            each,
            beside=QUEUES,
            floor=queue_each,
            durability=how,
            target="1 ms",
        ),
        figure(
            f"commit to subscriber, {number} of one: the last",
            "ms",
            last,
            beside=QUEUES,
            floor=queue_last,
            durability=how,
            target="30 ms",
        ),
    ]


async def repetition(args: argparse.Namespace) -> tuple[float, float, float, float]:
    """Return the seconds of both, and of both floors."""
    commits, arrivals = CommitTime(), Countdown()
    gates = [anyio.Event() for _ in range(args.subscribers + args.rounds)]
    with workload.fresh_database(args) as database:
        manager = ProcessManager(
            workload.url_of(database, args),
            services={"gates": gates},
            max_running=args.subscribers + 1,
            observer=commits,
        )
        async with manager, anyio.create_task_group() as group:
            own = gates[: args.subscribers]
            pids = [await start(manager, gate) for gate in range(args.subscribers)]
            await follow(manager, group, pids, arrivals)
            each = [await released(gate, 1, commits, arrivals) for gate in own]
            shared = []
            for number in range(args.subscribers, len(gates)):
                pid = await start(manager, number)
                await follow(manager, group, [pid] * args.subscribers, arrivals)
                shared.append(await released(gates[number], args.subscribers, commits, arrivals))
    floor_each, floor_last = await floor(args.subscribers, args.rounds)
    return percentile(each, 50), percentile(shared, 50), floor_each, floor_last


async def start(manager: ProcessManager, gate: int) -> str:
    """Start a process that waits for a gate."""
    return (await manager.start(workload.of_gate(), {"gate": gate})).pid


async def follow(manager: ProcessManager, group: Any, pids: list[str], arrivals: Countdown) -> None:
    """Start a subscriber for each pid, and return when all have read the history."""
    arrivals.begin(len(pids))
    for pid in pids:
        group.start_soon(subscriber, manager, pid, arrivals.arrive)
    await arrivals.over.wait()


async def subscriber(manager: ProcessManager, pid: str, arrive: Callable[[], None]) -> None:
    """Arrive when the step has begun, and when the process has finished."""
    async with manager.subscribe(pid) as events:
        async for event in events:
            if type(event).__name__ in {"StepStarted", ENDING}:
                arrive()


async def released(gate: anyio.Event, number: int, commits: CommitTime, arrivals: Countdown) -> float:
    """Open a gate; return the seconds from the commit to the arrival of the last."""
    arrivals.begin(number)
    gate.set()
    await arrivals.over.wait()
    return arrivals.at - commits.at


async def floor(number: int, rounds: int) -> tuple[float, float]:
    """Return the seconds until one queue's reader has an item, and until those of all queues have."""
    arrivals = Countdown()
    queues: list[asyncio.Queue[int]] = [asyncio.Queue() for _ in range(number)]

    async def read(queue: asyncio.Queue[int]) -> None:
        while True:
            await queue.get()
            arrivals.arrive()

    async def put(into: list[asyncio.Queue[int]]) -> float:
        arrivals.begin(len(into))
        started = time.perf_counter()
        for queue in into:
            queue.put_nowait(0)
        await arrivals.over.wait()
        return arrivals.at - started

    async with anyio.create_task_group() as group:
        for queue in queues:
            group.start_soon(read, queue)
        await anyio.wait_all_tasks_blocked()
        each = [await put([queue]) for queue in queues]
        last = [await put(queues) for _ in range(rounds)]
        group.cancel_scope.cancel()
    return percentile(each, 50), percentile(last, 50)


if __name__ == "__main__":
    report.main(
        __doc__, measure, quick={"subscribers": 10, "rounds": 2}, repeats=3, subscribers=1000, rounds=10
    )
