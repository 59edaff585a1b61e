"""The steps of a process as rows of a timeline: when each attempt ran, how it ended. Folds the history."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from procactors.model import event as e
from procactors.model.status import StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors.manager import ProcessManager
    from procactors.model.event import ProcessEvent
    from procactors.model.info import ProcessInfo

_PATIENCE_S = 2.0  # for events of a newer version, which are passed over, and so never come
_LEAST_WIDTH = 0.5
_SHOWN_MAX = 20


class Attempt(msgspec.Struct):
    """One attempt of a step; `x` and `width` are its place on the timeline, in percent."""

    number: int
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = "running"
    error: str = ""
    x: float = 0.0
    width: float = 0.0

    def seconds(self, now: datetime) -> float:
        """Return how long it took, or has taken."""
        return ((self.ended_at or now) - self.started_at).total_seconds()


class Row(msgspec.Struct):
    """One step. `has_output` tells an output of null from none."""

    name: str
    status: StepStatus = StepStatus.PENDING
    attempts: list[Attempt] = []
    has_output: bool = False
    output: Any = None

    @property
    def shown(self) -> list[Attempt]:
        """Its newest attempts; of many the others are only counted."""
        return self.attempts[-_SHOWN_MAX:]

    @property
    def left_out(self) -> int:
        """How many attempts are not shown."""
        return len(self.attempts) - len(self.shown)


async def history_of(manager: ProcessManager, info: ProcessInfo) -> list[ProcessEvent]:
    """Return the events of a process up to the state in `info`. Cancellation: safe."""
    found: list[ProcessEvent] = []
    with anyio.move_on_after(_PATIENCE_S):
        async with manager.subscribe(info.pid) as events:
            async for event in events:
                if not isinstance(event, e.StepProgressed):
                    found.append(event)
                if event.seq >= info.seq:
                    break
    return found


def timeline(info: ProcessInfo, history: Iterable[ProcessEvent], now: datetime) -> list[Row]:
    """Return a row for each step of a process, in order."""
    rows = {name: Row(name, status, []) for name, status in info.steps.items()}
    for event in history:
        _note(rows, event)
    attempts = [attempt for row in rows.values() for attempt in row.attempts]
    for attempt in attempts:
        if attempt.ended_at is None and info.status.is_ended:
            attempt.ended_at, attempt.outcome = info.ended_at, "cut short"
    _place(attempts, now)
    return list(rows.values())


def _note(rows: dict[str, Row], event: ProcessEvent) -> None:
    match event:
        case e.StepStarted(step=step, attempt=number, at=at) if step in rows:
            rows[step].attempts.append(Attempt(number, at))
        case e.StepFinished(step=step, output=output, at=at) if step in rows:
            rows[step].has_output, rows[step].output = True, output
            _end(rows[step], at, "completed")
        case e.StepFailed(step=step, error=error, at=at) if step in rows:
            _end(rows[step], at, "failed", str(error))
        case e.ProcessInterrupted(step=step, at=at) if step in rows:
            _end(rows[step], at, "completed")
        case e.ProcessReleased(at=at) | e.ProcessRecovered(at=at):
            for row in rows.values():
                _end(row, at, "cut short")
        case _:
            pass


def _end(row: Row, at: datetime, outcome: str, error: str = "") -> None:
    if row.attempts and row.attempts[-1].ended_at is None:
        last = row.attempts[-1]
        last.ended_at, last.outcome, last.error = at, outcome, error


def span_s(rows: Iterable[Row], now: datetime) -> float:
    """Return how many seconds the whole timeline stands for."""
    begin, end = _span([attempt for row in rows for attempt in row.attempts], now)
    return (end - begin).total_seconds()


def _span(attempts: list[Attempt], now: datetime) -> tuple[datetime, datetime]:
    begin = min((attempt.started_at for attempt in attempts), default=now)
    return begin, max((attempt.ended_at or now for attempt in attempts), default=now)


def _place(attempts: list[Attempt], now: datetime) -> None:
    begin, end = _span(attempts, now)
    whole = max((end - begin).total_seconds(), 1e-9)
    for attempt in attempts:
        start = (attempt.started_at - begin).total_seconds() / whole * 100
        attempt.width = round(max(attempt.seconds(now) / whole * 100, _LEAST_WIDTH), 2)
        attempt.x = round(min(start, 100 - attempt.width), 2)
