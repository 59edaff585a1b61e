"""Crash a program at each of its commits, and see that it always ends with the same result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio
import msgspec

from procactors.model.event import ProcessInterrupted
from procactors.options import ManagerOptions
from procactors.stores.memory import MemoryStore
from procactors.testing._clock import VirtualClock
from procactors.testing._manager import manager
from procactors.testing._store import SimulatedStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from procactors.manager import ProcessManager
    from procactors.model.definition import Process
    from procactors.model.plugin import Plugin

T = TypeVar("T")

_POINTS: tuple[Literal["before", "after"], ...] = ("before", "after")
_MOST_LIVES = 50


class CrashReport(msgspec.Struct, frozen=True):
    """What `explore_crashes` found.

    Attributes:
        output: What every run ended with.
        commits: How many commits the run without a crash had.
        crashes: How many runs were crashed, and came to the same end.
    """

    output: Any
    commits: int
    crashes: int


async def explore_crashes(
    scenario: Callable[[ProcessManager], Awaitable[T]],
    *,
    services: Mapping[str, Any] | None = None,
    options: ManagerOptions = ManagerOptions(),
    max_running: int = 64,
    plugins: Iterable[Plugin] = (),
) -> CrashReport:
    """Run a scenario once for each commit and each side of it, with a crash there, and compare the ends.

    After a crash the next manager on the same store runs, and the scenario is called again, as a program
    would be: so it has to start processes by key, and to answer only what is asked.

    Args:
        scenario: Drives a manager to some result, which has to be the same whatever crashes.
        services: As for `ProcessManager`.
        options: As for `ProcessManager`.
        max_running: As for `ProcessManager`.
        plugins: As for `ProcessManager`; they live through all crashes.

    Raises:
        AssertionError: A run with a crash ended with something else; the message names the crash.

    Cancellation: safe.
    """
    world = _World(scenario, services, options, max_running, tuple(plugins))
    calm = await world.run(None)
    crashes = 0
    for number in range(1, calm.commits + 1):
        for when in _POINTS:
            run = await world.run((number, when))
            crashes += run.lives > 1
            assert run.result == calm.result, (
                f"crash {when} commit {number} of {calm.commits}: ended with {run.result!r},"
                f" without a crash with {calm.result!r}"
            )
    return CrashReport(calm.result, calm.commits, crashes)


async def crash_test(
    process: Process,
    data: Any = None,
    *,
    answers: Mapping[str, Any] | None = None,
    services: Mapping[str, Any] | None = None,
    options: ManagerOptions = ManagerOptions(),
) -> CrashReport:
    """Run a process once for each of its commits, with a crash there, and check that its output is the same.

    A step may run more than once that way: this test finds those that can't bear it.

    Args:
        process: What to run.
        data: Its input.
        answers: Answers to its interrupts, by step; a step that is not named is answered with nothing.
        services: As for `ProcessManager`.
        options: As for `ProcessManager`.

    Raises:
        AssertionError: A run with a crash ended with another output; the message names the crash.
        ProcessEndedError: The process does not finish, even without a crash.

    Cancellation: safe.
    """

    async def scenario(m: ProcessManager) -> Any:
        handle = await m.start(process, data, key="crash_test")
        await _answer(m, handle.pid, dict(answers or {}))
        return await handle.result()

    return await explore_crashes(scenario, services=services, options=options)


async def _answer(m: ProcessManager, pid: str, answers: dict[str, Any]) -> None:
    """Answer what a process asks, until it ends."""
    async with m.subscribe(pid) as events:
        async for event in events:
            question = (await m.info(pid)).interrupt
            if question is not None and isinstance(event, ProcessInterrupted):
                await m.proceed(pid, answers.get(question.step))


class _Run(msgspec.Struct, frozen=True):
    """What a run came to.

    Attributes:
        commits: How many it took, those of all lives together.
        lives: How many managers it took; 1: nothing crashed.
    """

    result: Any
    commits: int
    lives: int


class _World:
    """Runs a scenario to its end, whatever happens on the way."""

    def __init__(
        self,
        scenario: Callable[[ProcessManager], Awaitable[Any]],
        services: Mapping[str, Any] | None,
        options: ManagerOptions,
        max_running: int,
        plugins: tuple[Plugin, ...],
    ) -> None:
        self._scenario = scenario
        self._services = services
        self._options = options
        self._max_running = max_running
        self._plugins = plugins

    async def run(self, crash: tuple[int, Literal["before", "after"]] | None) -> _Run:
        """Run it on a new store, with that crash."""
        clock = VirtualClock()
        store = SimulatedStore(MemoryStore("memory://", clock, self._options))
        if crash is not None:
            store.crash_at(*crash)
        for lives in range(1, _MOST_LIVES):
            found, result = await self._live(clock, store, lives)
            if found:
                return _Run(result, store.commits, lives)
            store.reboot()
        raise AssertionError(f"crash {crash}: no end after {_MOST_LIVES} lives")

    async def _live(self, clock: VirtualClock, store: SimulatedStore, life: int) -> tuple[bool, Any]:
        """Return whether the scenario came to its end in the life of one manager, and its result.

        Each life has randomness of its own: two of one seed and one moment would make the same pids.
        """
        result: Any = None
        m = manager(
            clock=clock,
            store=store,
            services=self._services,
            options=self._options,
            max_running=self._max_running,
            plugins=self._plugins,
            seed=life,
        )
        try:
            with anyio.CancelScope() as scope:
                store.on_crash = scope.cancel
                await m.open()
                result = await self._scenario(m)
        except Exception:
            if not store.has_crashed:
                raise
        finally:
            await (m.kill() if store.has_crashed else m.close())
        return not store.has_crashed, result
