"""Keeps a lease from a thread and connection of its own, so that a blocked event loop loses none."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from threading import Event, Thread
from typing import TYPE_CHECKING

import anyio

from procactors.stores._queries import queries_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors._clock import Clock

_log = logging.getLogger("procactors.stores")
_sql = queries_of("sqlite")


class LeaseKeeper:
    """Renews one lease three times in its length, until stopped."""

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], member: int, lease_s: float, clock: Clock
    ) -> None:
        """Renew the lease of `member` through a connection made by `connect`."""
        self._connect = connect
        self._member = member
        self._lease_s = lease_s
        self._clock = clock
        self._stop = Event()
        self._loop = asyncio.get_running_loop()
        self._ended = anyio.Event()
        self._thread = Thread(target=self._run, name=f"procactors-lease-{member}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def stop(self) -> None:
        """End; returns when the thread has ended."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        connection = self._connect()
        try:
            while not self._stop.wait(self._lease_s / 3):
                try:
                    until = self._clock.wall() + self._lease_s
                    connection.execute(_sql["renew_lease"], (until, self._member))
                except sqlite3.Error as error:
                    _log.warning("the lease of manager %d could not be renewed: %s", self._member, error)
        finally:
            connection.close()
            self._loop.call_soon_threadsafe(self._ended.set)
