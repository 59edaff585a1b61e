"""The history of a process as rows for people: what happened, when, and what there is to say of it. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from procactors.model import event as e
from procactors.web._wording import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.model.event import ProcessEvent

_SHOWN_MAX = 500
_WORD = re.compile("[A-Z][a-z]+")


class Happening(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        seq: Its number.
        at: When it happened.
        since_s: How many seconds after the first event.
        what: Its class's name in words: "step finished".
        step: The step that it is about, with the attempt if it is not the first.
        remark: Why, by whom, until when.
    """

    seq: int
    at: datetime
    since_s: float
    what: str
    step: str = ""
    remark: str = ""


def happenings(history: Sequence[ProcessEvent]) -> list[Happening]:
    """Return the newest events of a history, oldest first."""
    return [_happening(event, history[0].at) for event in history[-_SHOWN_MAX:]]


def _happening(event: ProcessEvent, began_at: datetime) -> Happening:
    what = " ".join(_WORD.findall(type(event).__name__)).lower()
    step, attempt = getattr(event, "step", None) or "", getattr(event, "attempt", 1)
    if attempt > 1:
        step += f", attempt {attempt}"
    since_s = (event.at - began_at).total_seconds()
    return Happening(event.seq, event.at, since_s, what, step, _remark(event))


def _remark(event: ProcessEvent) -> str:
    match event:
        case e.ProcessQueued(forked_from=str(pid)):
            said = f"forked from {pid}"
        case e.ProcessProceeded(timed_out=True):
            said = "nobody answered in time"
        case e.ProcessUndoing(end=end):
            said = f"it will be {end.replace('_', ' ')}"
        case e.DeferredUpdateFailed(origin=origin, error=error):
            said = f"{origin}: {error}"
        case e.StepRetryScheduled(due_at=due_at) | e.ProcessSleeping(due_at=due_at):
            said = f"until {moment(due_at)}"
        case _:
            owner = getattr(event, "owner", "")
            said = f"by {owner}" if owner else str(getattr(event, "error", None) or "")
    return said or getattr(event, "reason", "")
