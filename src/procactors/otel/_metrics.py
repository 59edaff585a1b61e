"""The metrics of a manager: how much it starts and ends, how long it takes, and how it is itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Observation

from procactors.errors import InvalidStoreError
from procactors.model import event as e
from procactors.otel._times import made_at, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.metrics import Counter, Histogram, MeterProvider

    from procactors.manager import ProcessManager

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_STEP_STARTED = (e.StepStarted, e.UndoStarted)
_STEP_ENDED = (e.StepFinished, e.UndoFinished, e.StepFailed, e.UndoFailed)
_FAILURES = (e.ProcessFailed, e.ProcessTimedOut)


class Metrics:
    """The instruments, and what has to be remembered to use them."""

    def __init__(self, provider: MeterProvider) -> None:
        """Make the instruments."""
        self._meter = provider.get_meter("procactors")
        self._managers: WeakSet[ProcessManager] = WeakSet()
        self._owned: dict[str, str] = {}
        """Names of the processes that the manager sees to, by their pids."""
        self._begun: dict[str, int] = {}
        """When their running attempts began."""
        count, measure = self._count, self._measure
        self._started = count("processes.started", "Processes taken up for the first time", "{process}")
        self._finished = count("processes.finished", "Processes that came to a good end", "{process}")
        self._failed = count("processes.failed", "Processes that failed or timed out", "{process}")
        self._cancelled = count("processes.cancelled", "Processes that were cancelled", "{process}")
        self._running = self._meter.create_up_down_counter(
            "procactors.processes.running", unit="{process}", description="Processes that this manager runs"
        )
        self._queue_age = measure("queue.age", "Age of processes when first taken up", "s", _SECONDS)
        self._step_duration = measure("step.duration", "Duration of attempts", "s", _SECONDS)
        self.commit_size = measure("commit.size", "Events in one transaction", "{event}", _EVENTS)
        self.commit_duration = measure("commit.duration", "Duration of transactions", "s", _SECONDS)
        self.dead_letters = count("dead_letters", "Messages that reached nobody", "{message}")
        self.actor_restarts = count("actor.restarts", "Actors that failed and began anew", "{restart}")
        self.store_retries = count("store.retries", "Writes put off, as the store failed", "{retry}")
        self.threads_abandoned = count("threads.abandoned", "Threads of steps left behind", "{thread}")
        self.loop_blocked = count("loop.blocked", "Time for which the event loop was seen blocked", "s")
        self._meter.create_observable_gauge(
            "procactors.mailbox.length",
            [self._mailboxes],
            unit="{message}",
            description="Messages that wait, by kind of actor and lane",
        )

    def _count(self, name: str, description: str, unit: str) -> Counter:
        return self._meter.create_counter(f"procactors.{name}", unit=unit, description=description)

    def _measure(self, name: str, description: str, unit: str, bounds: Sequence[float]) -> Histogram:
        return self._meter.create_histogram(
            f"procactors.{name}",
            unit=unit,
            description=description,
            explicit_bucket_boundaries_advisory=bounds,
        )

    # Processes.

    def change(self, pid: str, name: str, events: Sequence[Any], *, is_owned: bool) -> None:
        """Count what has happened to a process."""
        for event in events:
            self._note(pid, name, event)
        if not is_owned:
            self.forget(pid)
        elif pid not in self._owned:
            self._owned[pid] = name
            self._running.add(1, {"process": name})

    def forget(self, pid: str) -> None:
        """Hear that the manager does not see to a process any more."""
        self._begun.pop(pid, None)
        name = self._owned.pop(pid, None)
        if name is not None:
            self._running.add(-1, {"process": name})

    def _note(self, pid: str, name: str, event: Any) -> None:
        if isinstance(event, _STEP_STARTED):
            self._begun[pid] = nanoseconds(event.at)
        elif isinstance(event, _STEP_ENDED):
            self._end_attempt(pid, name, event)
        elif isinstance(event, e.ProcessStarted):
            self._started.add(1, {"process": name})
            self._queue_age.record(_seconds(made_at(pid), event), {"process": name})
        elif isinstance(event, e.ProcessFinished):
            self._finished.add(1, {"process": name})
        elif isinstance(event, _FAILURES):
            why = "timed_out" if isinstance(event, e.ProcessTimedOut) else "failed"
            self._failed.add(1, {"process": name, "status": why})
        elif isinstance(event, e.ProcessCancelled):
            self._cancelled.add(1, {"process": name})

    def _end_attempt(self, pid: str, name: str, event: Any) -> None:
        began = self._begun.pop(pid, None)
        if began is not None:
            has_failed = isinstance(event, e.StepFailed | e.UndoFailed)
            status = "failed" if has_failed else "completed"
            attributes = {"process": name, "step": event.step, "status": status}
            self._step_duration.record(_seconds(began, event), attributes)

    # Mailboxes.

    def watch(self, manager: ProcessManager) -> None:
        """Measure the mailboxes of `manager`, too."""
        self._managers.add(manager)

    def _mailboxes(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Return how much waits; called in whatever thread collects the metrics."""
        depths: dict[tuple[str, str, str], int] = {}
        for manager in list(self._managers):
            try:
                rows = manager.tree()
            except InvalidStoreError:  # it is not open
                continue
            for row in rows:
                for lane in row.lanes:
                    place = (manager.name, row.kind, lane.name)
                    depths[place] = depths.get(place, 0) + lane.depth
        return [
            Observation(depth, {"manager": manager, "actor": kind, "lane": lane})
            for (manager, kind, lane), depth in depths.items()
        ]


def _seconds(began: int, event: Any) -> float:
    return max(0, nanoseconds(event.at) - began) / 1e9
