"""Whose turn it is to run a plugin: operations of a batch, and their talks with any database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from procactors._clock import SLACK_S
from procactors.stores._talk import One

if TYPE_CHECKING:
    from procactors.stores._talk import Talk


class BeginTurn(msgspec.Struct, frozen=True):
    """Run a plugin now, if it is due and nobody does. Outcome: `Turn`.

    Attributes:
        manager: Who would run it.
        due_at: Says when it is due, given when its last run began (None: it has none), and the time now.
    """

    key: str
    manager: int
    due_at: Callable[[float | None, float], float]


class Turn(msgspec.Struct, frozen=True):
    """Whose turn it is.

    Attributes:
        is_taken: Whether the asker is to run the plugin now; else somebody does, or it is not due.
        last_run: When the last run began that came to an end.
        due_at: When the next one is due, or when the one begins that was taken; None: somebody runs it, or
            the asker is taken for dead.
    """

    is_taken: bool
    last_run: float | None
    due_at: float | None = None


class EndTurn(msgspec.Struct, frozen=True):
    """Note that the run of a plugin has come to its end. Outcome: None."""

    key: str
    manager: int


def begin(operation: BeginTurn, now: float) -> Talk[Turn]:
    """Take the turn if it is due and nobody has it; one whose runner is gone is due at once.

    Who is taken for dead gets no turn until it has shown that it is not: others would take it away at once.
    """
    rows = yield One("plugin", (operation.key,))
    last_run, runner, is_alive = rows[0] if rows else (None, None, None)
    if runner is not None and is_alive and runner != operation.manager:
        return Turn(is_taken=False, last_run=last_run)
    if runner is None:
        due_at = operation.due_at(last_run, now)
        if due_at > now + SLACK_S:
            return Turn(is_taken=False, last_run=last_run, due_at=due_at)
    if not (yield One("is_member", (operation.manager,))):
        return Turn(is_taken=False, last_run=last_run)
    yield One("begin_plugin", (operation.key, now, operation.manager))
    return Turn(is_taken=True, last_run=last_run, due_at=now)


def end(operation: EndTurn) -> Talk[None]:
    """Note that a run has come to its end, unless somebody else has been given the turn meanwhile."""
    yield One("end_plugin", (operation.key, operation.manager))
