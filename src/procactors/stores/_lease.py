"""Keeps a lease from a thread and connection of its own, so that a blocked event loop loses none."""

from __future__ import annotations

import asyncio
import logging
import time
from threading import TIMEOUT_MAX, Event, Thread
from typing import TYPE_CHECKING, Protocol

import anyio

from procactors.errors import ProcactorsError

if TYPE_CHECKING:
    from procactors.stores._store import Member

_log = logging.getLogger("procactors.stores")


class Renewal(Protocol):
    """A connection of the keeper's own. Its methods are called in the keeper's thread, and block."""

    def renew(self) -> bool:
        """Renew the lease. False: the row was gone, and has been written again."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


class LeaseKeeper:
    """Renews one lease three times in its length, until stopped."""

    def __init__(self, renewal: Renewal, member: Member, lease_s: float) -> None:
        """Renew the lease of `member` by `renewal`."""
        self._renewal = renewal
        self._name = member.identity.name
        self._lease_s = lease_s
        self.renewals = 0
        """How often it has been renewed, or is just being renewed."""
        self._until = time.monotonic() + lease_s
        self._stop = Event()
        self._loop = asyncio.get_running_loop()
        self._ended = anyio.Event()
        self._thread = Thread(target=self._run, name=f"procactors-lease-{member.id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def left(self) -> float:
        """Return for how many seconds the lease lasts; below 0: it has run out, as far as is known here."""
        return self._until - time.monotonic()

    async def stop(self) -> None:
        """End; returns when the thread has ended."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(min(self._lease_s / 3, TIMEOUT_MAX)):
                self.renewals += 1
                self._renew()
        finally:
            self._renewal.close()
            self._loop.call_soon_threadsafe(self._ended.set)

    def _renew(self) -> None:
        asked_at = time.monotonic()
        try:
            was_there = self._renewal.renew()
        except ProcactorsError as error:
            _log.warning("the lease of manager %s could not be renewed: %s", self._name, error)
            return
        self._until = asked_at + self._lease_s
        if not was_there:
            _log.warning(
                "manager %s was taken for dead, as its lease had run out (was it stopped or suspended?):"
                " its processes have been taken over by others; it goes on without them",
                self._name,
            )
