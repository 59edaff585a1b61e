"""A manager for tests: in memory, in virtual time, with nothing to clean up."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Self

from procactors.manager import ProcessManager
from procactors.options import ManagerOptions
from procactors.stores.memory import MemoryStore
from procactors.testing._clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from procactors.model.definition import Process
    from procactors.model.plugin import Plugin
    from procactors.observe import Observer
    from procactors.stores import Store


class manager(ProcessManager):  # noqa: N801 - used as a function: `async with manager() as m:`
    """A `ProcessManager` on a store in memory, in virtual time.

    `async with manager() as m: ...; await m.clock.advance("14d")`. The same seed gives the same run.

    Attributes:
        clock: Its virtual clock; the whole event loop goes by it inside the block.
        store: Its store; give it to a second manager to see what that one makes of it.
    """

    def __init__(  # noqa: PLR0913 - as many as a manager's
        self,
        processes: Iterable[Process] = (),
        *,
        clock: VirtualClock | None = None,
        store: Store | None = None,
        services: Mapping[str, Any] | None = None,
        options: ManagerOptions = ManagerOptions(),
        plugins: Iterable[Plugin] = (),
        max_running: int = 64,
        observer: Observer | None = None,
        seed: int = 0,
        run: bool = True,
    ) -> None:
        """Make a manager for a test.

        Args:
            processes: Definitions that are checked on entering, as `start` would.
            clock: The virtual clock; default: a new one.
            store: The store; default: a new one in memory.
            services: As for `ProcessManager`.
            options: As for `ProcessManager`.
            plugins: As for `ProcessManager`.
            max_running: As for `ProcessManager`.
            observer: As for `ProcessManager`.
            seed: Where randomness (pids, jitter) starts.
            run: As for `ProcessManager`.
        """
        self.clock = clock or VirtualClock()
        self.store: Store = store or MemoryStore("memory://", self.clock, options)
        self._processes = tuple(processes)
        super().__init__(
            self.store,
            run=run,
            services=services,
            plugins=plugins,
            max_running=max_running,
            options=options,
            observer=observer,
            clock=self.clock,
            rng=Random(seed),  # noqa: S311 - reproducible on purpose
        )

    async def open(self) -> None:
        """Open in virtual time; see `ProcessManager.open`. Cancellation: safe."""
        self.clock.install()
        try:
            for process in self._processes:
                self._room.catalog.check(process)
            await super().open()
        except BaseException:
            self.clock.uninstall()
            raise

    async def close(self) -> None:
        """Close, and give the loop its time back; see `close` above. Cancellation: closing goes on."""
        if self._tree is not None:
            try:
                await super().close()
            finally:
                self.clock.uninstall()

    async def kill(self) -> None:
        """End as `kill -9` would: nothing is released; another manager has to adopt what ran.

        Cancellation: it ends all the same.
        """
        tree, self._tree = self._tree, None
        if tree is not None:
            try:
                await tree.kill()
            finally:
                self.clock.uninstall()

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self
