"""Messages that reached nobody: counted by kind, logged once per kind, offered to a hook."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.observe import Observer

_log = logging.getLogger("procactors.actors")


class DeadLetter(msgspec.Struct, frozen=True):
    """An undelivered message: who should have had it, what it was, why it did not arrive."""

    actor: str
    message: object
    reason: str


class DeadLetters:
    """The office where they end."""

    def __init__(self, observer: Observer) -> None:
        """Report to `observer`."""
        self._observer = observer
        self._hook: Callable[[DeadLetter], None] | None = None
        self.counts: Counter[tuple[str, str]] = Counter()
        """How many there were, by class of message and reason."""

    def on_dead_letter(self, hook: Callable[[DeadLetter], None] | None) -> None:
        """Call `hook` with each dead letter from now on (None: no more)."""
        self._hook = hook

    def add(self, actor: str, message: object, reason: str) -> None:
        """Take in one message. Logs the first of each kind, as a warning unless it was but a hint."""
        kind = type(message).__name__
        self.counts[kind, reason] += 1
        if self.counts[kind, reason] == 1:
            level = logging.DEBUG if getattr(message, "is_hint", False) else logging.WARNING
            _log.log(level, "dead letter: %s for actor %s (%s); more of this kind are only counted",
                     kind, actor, reason)  # fmt: skip
        self._observer.dead_letter(actor, kind)
        if self._hook is not None:
            self._hook(DeadLetter(actor, message, reason))

    @property
    def total(self) -> int:
        """How many there were in all."""
        return self.counts.total()
