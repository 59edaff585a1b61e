"""The plugins actor: runs each plugin when it is its manager's turn.

Whose turn it is is decided in the store, in one transaction: of all managers exactly one runs a plugin each
interval, and when it dies in the middle of it another one begins that run anew.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from procactors._clock import to_datetime
from procactors.actors import SIGNALS, Actor, Lane, Message, Normal, Overflow, TaskEnded
from procactors.engine.messages import Write
from procactors.stores._turns import BeginTurn, EndTurn

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from procactors.engine.room import Room
    from procactors.model.plugin import Plugin
    from procactors.stores._turns import Turn

_log = logging.getLogger("procactors.plugins")

_RETRY_S = 5.0
"""Seconds until the next try when the store could not say whose turn it is."""
_LONGEST_S = 600.0
"""Seconds between looks, at most: a machine that slept comes late by no more."""


class LookAtPlugin(Message, frozen=True):
    """It may be this plugin's turn."""

    lane: ClassVar[str] = "later"
    key: str

    def coalesce_key(self) -> Hashable:
        """One per plugin."""
        return self.key


class PluginsActor(Actor[Any]):
    """Looks whose turn it is, and runs those whose turn is here."""

    lanes: ClassVar[Sequence[Lane]] = (SIGNALS, Lane("later", overflow=Overflow.COALESCE))

    def __init__(self, room: Room, plugins: Sequence[Plugin], manager: Any) -> None:
        """Run `plugins` on behalf of `manager`, the face of `room`."""
        self._room = room
        self._plugins = {plugin.key: plugin for plugin in plugins}
        self._manager = manager

    async def on_start(self) -> None:
        """Look at each of them."""
        for key in self._plugins:
            self._look(key)

    async def receive(self, message: Any) -> None:
        """Look at a plugin again, when it is time."""
        match message:
            case LookAtPlugin(key):
                self._look(key)
            case TaskEnded(key, _, Normal(delay)):
                self.set_timer(key, delay, LookAtPlugin(key))
            case TaskEnded(key, _, end):
                _log.warning("plugin %r could not be looked at, trying again: %s", key, end.error)
                self.set_timer(key, _RETRY_S, LookAtPlugin(key))

    def _look(self, key: str) -> None:
        self.spawn(self._take_turn, self._plugins[key], name=key)

    async def _take_turn(self, plugin: Plugin) -> float:
        """Run a plugin if it is its turn here; return in how many seconds to look again."""
        room = self._room
        if room.is_closing:
            return _LONGEST_S
        begin = BeginTurn(plugin.key, room.member.id, lambda last_run, now: due_at(plugin, last_run, now))
        turn: Turn = await room.persistence.ask(Write(begin), timeout=None)
        if not turn.is_taken and turn.due_at is None:
            return min(plugin.interval, room.options.lease_s / 2)  # somebody runs it, and may die of it
        if turn.is_taken:
            if not await self._run(plugin, turn.last_run):
                return _LONGEST_S  # whoever comes next begins it anew
            await room.persistence.ask(Write(EndTurn(plugin.key, room.member.id)), timeout=None)
        next_at = due_at(plugin, turn.due_at, room.store.now()) if turn.is_taken else turn.due_at
        assert next_at is not None
        return min(max(0.0, next_at - room.store.now()), _LONGEST_S)

    async def _run(self, plugin: Plugin, last_run: float | None) -> bool:
        """Run a plugin; False if that was cut short: a closing manager does nothing for it any more."""
        try:
            await plugin.run(self._manager, None if last_run is None else to_datetime(last_run))
        except Exception:  # noqa: BLE001 - a plugin's error is its own, and is logged
            if self._room.is_closing:
                return False
            _log.exception("plugin %r failed; its next run comes when it would have come", plugin.key)
        return True


def due_at(plugin: Plugin, last_run: float | None, now: float) -> float:
    """Return when a plugin is to run, in seconds since 1970, whose last run began at `last_run`."""
    next_run = getattr(plugin, "next_run", None)
    if next_run is not None:
        moment: float = next_run(None if last_run is None else to_datetime(last_run)).timestamp()
        return moment
    return now if last_run is None else last_run + plugin.interval
