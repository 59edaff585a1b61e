"""What the library reports about itself while it works.

One method per event, each a no-op here: subclass `Observer` and override what you want to hear. The
methods are called in the event loop's thread (unless they say otherwise), in the middle of work, so
they have to be quick and must not raise. Telemetry (`procactors.otel`) is such a subclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Observer:
    """Hears what happens inside a manager or an actor system; by default it does nothing."""

    def dead_letter(self, actor: str, kind: str) -> None:
        """A message of class `kind` could not be delivered to, or was not handled by, `actor`."""

    def actor_restarted(self, actor: str, error: BaseException, delay: float) -> None:
        """`actor` failed with `error` and starts again after `delay` seconds."""

    def actor_gave_up(self, actor: str, error: BaseException) -> None:
        """`actor` failed more often than its budget allows, last with `error`, and stays down."""

    def actor_abandoned(self, actor: str) -> None:
        """`actor` ignored stop and cancellation beyond its grace and was left behind."""

    def trace_context(self) -> str | None:
        """Return the W3C traceparent to store with the process that is being started; None: none."""
        return None

    def events_committed(self, events: Sequence[object], seconds: float) -> None:
        """These `events` (each a `ProcessEvent`) are in the store now; their transaction took `seconds`.

        Their payloads may still be encoded (`msgspec.Raw`).
        """

    def process_changed(
        self, pid: str, name: str, events: Sequence[object], *, trace: str | None, is_owned: bool
    ) -> None:
        """These `events` of process `pid` are in the store now: its part of one transaction.

        `name` is its definition's; `trace` is what `trace_context` returned where it was started, by any
        manager; `is_owned` tells whether this manager runs it from now on. Called before subscribers
        hear of it.
        """

    def process_lost(self, pid: str) -> None:
        """This manager ran process `pid`; another one has taken it over."""

    def attempt_begins(self, pid: str, step: str, attempt: int) -> None:
        """An `attempt` of `step` of process `pid` begins.

        Called in its task: context variables that are set here are the step's.
        """

    def store_retried(self, error: BaseException, delay: float) -> None:
        """The store failed with `error`; the same write is tried again after `delay` seconds."""

    def loop_blocked(self, seconds: float, step: str | None, stack: str) -> None:
        """The event loop has been blocked for `seconds`. Called in the watchdog's own thread.

        `step` names the step that blocks it, if it is one; `stack` is where the loop's thread stands.
        """

    def thread_abandoned(self, pid: str, step: str) -> None:
        """`step` of process `pid` did not stop when it was cut short; its thread is left behind."""
