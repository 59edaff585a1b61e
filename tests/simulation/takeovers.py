"""Whom a manager leaves behind when it dies, another one takes up, and soon."""

from __future__ import annotations

import anyio

SOON_S = 1.5
"""After the lease is over."""


class Takeovers:
    """Looks at what the dead still own."""

    def __init__(self, world, lease_s):
        self._world = world
        self._lease_s = lease_s
        self._lent_at = 0.0

    async def watch(self):
        """Look again and again, until the simulation is over."""
        while not self._world.is_over.is_set():
            await anyio.sleep(1)
            if self._world.storage.is_lent:
                self._lent_at = self._world.clock.monotonic()
            healthy_since = min(place.healthy_from for place in self._world.places if place.runs)
            self._look(
                self._world.clock.monotonic() - self._lease_s - SOON_S, max(healthy_since, self._lent_at + 1)
            )

    def _look(self, then, healthy_since):
        ledger = self._world.ledger
        for life in ledger.alive():
            line = ledger.owners.lines.get(life.owner)
            if life.is_owned and line is not None and max(line.ended_at, healthy_since) < then:
                ledger.complain(f"{ledger.title(life.pid)} is left behind by manager {life.owner}")
