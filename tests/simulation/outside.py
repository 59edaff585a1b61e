"""Where steps run that do not run on the loop: what managers get for that, and what must be left of it."""

from __future__ import annotations

from random import Random

import anyio
from msgspec.structs import replace

from tests.simulation.children import LeashedPool, Leashes

SIMULATIONS = 0.12
"""Such a share of the simulations has OS processes: they take their time."""
STEPS = 0.25
"""Such a share of the steps runs in them there."""


def has_children(seed):
    """Tell whether a simulation has OS processes."""
    return Random(f"{seed} children").random() < SIMULATIONS


class Outside:
    """The threads and OS processes of all managers of a simulation.

    Attributes:
        options: Those of its managers.
        share: How many of the steps run in OS processes.
    """

    def __init__(self, seed, clock, options):
        self._clock = clock
        self._leashes = None
        self._executors = []
        self.options = options
        self.share = 0
        self._rng = rng = Random(f"{seed} outside")
        if has_children(seed):
            self._leashes = Leashes()
            self.share = STEPS
            self.options = replace(
                options,
                progress_every_s=0,
                workers=rng.choice((1, 2, 3)),
                worker_steps=rng.choice((0, 0, 1, 3)),
            )

    def equip(self, manager, eye):
        """Let a manager run steps here."""
        executors = manager._room.executors
        self._executors.append(executors)
        if self._leashes is not None:
            pool = LeashedPool(self._clock, self.options, self._leashes, eye)
            executors._processes = executors._by_place["process"] = pool

    def cut_lifelines(self, manager):
        """Let the OS processes of a manager learn that it is killed, as the kernel would let them."""
        if self._leashes is not None:
            manager._room.executors._processes.cut_lifelines()

    async def haunt(self, is_calm):
        """Let OS processes be killed by strangers, such as the kernel when memory runs out."""
        while self._leashes is not None and not is_calm.is_set():
            await anyio.sleep(self._rng.choice((0.1, 1, 5, 10)))
            children = [child for executors in self._executors for child in executors._processes.children]
            targets = [child for child in children if child.may_be_shot]
            if targets:
                self._rng.choice(targets).shoot()

    async def end(self):
        """Wait for what was left behind, and see that nothing is left any more."""
        while self._clock.threads:  # noqa: ASYNC110 - time has to pass
            await anyio.sleep(1)
        if self._leashes is not None:
            self._leashes.close()
        for executors in self._executors:
            abandoned = executors._threads.abandoned
            assert not abandoned, f"{abandoned} threads are still counted as abandoned"
            if self._leashes is not None:
                left = executors._processes._workers
                assert not left, f"{len(left)} OS processes are left over"
