"""What the benchmarks run: trivial steps, processes of them, and managers on a fresh SQLite file.

The steps do nothing, so that what is measured is the library. They live here, and not in the scripts,
where more than one OS process has to find them.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from procactors import Interrupt, Process, ProcessManager, Step, StepContext, step

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Iterator


@step
async def nothing(data: Any) -> Any:
    """Return the input."""
    return data


@step
async def note(data: Any, *, noted: Callable[[], None]) -> Any:
    """Call the service `noted`, and return the input."""
    noted()
    return data


@step
async def question(data: Any) -> Interrupt:
    """Pause the process until somebody proceeds it."""
    return Interrupt(data)


@step
async def gated(data: dict[str, int], *, gates: list[anyio.Event]) -> dict[str, int]:
    """Wait for one of the events in the service `gates`: that of the number in the data."""
    await gates[data["gate"]].wait()
    return data


@step
async def noted_and_gated(
    data: dict[str, int], *, gates: list[anyio.Event], noted: Callable[[], None]
) -> dict[str, int]:
    """Call the service `noted`, and wait as `gated` does."""
    noted()
    await gates[data["gate"]].wait()
    return data


@step
async def tell(data: Any, ctx: StepContext, *, told: Callable[[str, str], None]) -> Any:
    """Call the service `told` with the pid and "begun"."""
    told(ctx.pid, "begun")
    return data


@step
async def linger(data: Any, ctx: StepContext, *, told: Callable[[str, str], None]) -> Any:
    """Call `told`, and then wait to be cancelled, which is told, too."""
    told(ctx.pid, "begun")
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        told(ctx.pid, "cancelled")
        raise
    return data


def of_nothing(steps: int) -> Process:
    """Return a process of so many steps that do nothing."""
    return Process("nothing", [Step(f"step{n}", nothing) for n in range(steps)])


def of_notes(steps: int) -> Process:
    """Return a process of so many steps that call the service `noted`."""
    return Process("notes", [Step(f"step{n}", note, services=("noted",)) for n in range(steps)])


def question_then(name: str) -> Process:
    """Return a process that pauses, and then runs the step of that name in this module."""
    service = {"note": "noted", "tell": "told"}[name]
    return Process(
        "question", [Step("question", question), Step("next", globals()[name], services=(service,))]
    )


def of_gate() -> Process:
    """Return a process of one step that waits for a gate."""
    return Process("gated", [Step("gated", gated, services=("gates",))])


def gated_after_note() -> Process:
    """Return the same, but the step calls `noted` before it waits."""
    return Process("gated", [Step("gated", noted_and_gated, services=("gates", "noted"))])


def lingering() -> Process:
    """Return a process whose step tells that it runs, and waits to be cancelled."""
    return Process("lingering", [Step("linger", linger, services=("told",))], timeout=None)


def durability(args: argparse.Namespace) -> str:
    """Return what a commit means in this run, for the figures."""
    return f"SQLite WAL {args.synchronous}"


def url_of(database: Path, args: argparse.Namespace) -> str:
    """Return the URL of a database."""
    return f"sqlite:///{database}?synchronous={args.synchronous}"


@contextmanager
def fresh_database(args: argparse.Namespace) -> Iterator[Path]:
    """Give the path of a database that does not exist yet, in a folder that goes at the end."""
    with tempfile.TemporaryDirectory(prefix="procactors-bench-", dir=args.folder) as folder:
        yield Path(folder) / "bench.db"


@asynccontextmanager
async def manager_on_fresh_file(args: argparse.Namespace, **options: Any) -> AsyncIterator[ProcessManager]:
    """Give an open manager on a database of its own."""
    with fresh_database(args) as database:
        async with ProcessManager(url_of(database, args), **options) as manager:
            yield manager


async def run_all(manager: ProcessManager, process: Process, number: int) -> None:
    """Start so many processes at once, and wait until all have finished."""

    async def run_one() -> None:
        handle = await manager.start(process)
        await handle.result()

    async with anyio.create_task_group() as group:
        for _ in range(number):
            group.start_soon(run_one)


# As a program of its own: a manager that runs what others start, and prints what the steps tell.


def print_told(pid: str, what: str) -> None:
    """Print a line of JSON: when, of which process, what."""
    print(json.dumps((time.monotonic(), pid, what)), flush=True)


async def serve(url: str) -> None:
    """Run a manager until this OS process is terminated."""
    options = {"services": {"told": print_told}, "modules": ("workload",)}
    async with ProcessManager(url, **options):
        print_told("", "open")
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            await anext(aiter(signals))


if __name__ == "__main__":
    import workload  # under the name by which the rows refer to its steps

    anyio.run(workload.serve, sys.argv[1])
