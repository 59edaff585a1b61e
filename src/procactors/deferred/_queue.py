"""The queue of one scope: what is deferred there, and when it runs.

MediaWiki's DeferredUpdates, one per scope instead of one per program. The rules of order, nesting and
failure are in `_runner.py`, those of transaction rounds in `_attempt.py`; here is what users call.
Every method works on the level of nesting that the caller is in: inside an update its own, else the
root. The queue runs in the task that calls `run`; who calls it, and when, is for others to say.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import copy_context
from threading import RLock
from typing import TYPE_CHECKING, Any

from procactors.deferred._attempt import TransactionRound, refuse_recursion
from procactors.deferred._current import CURRENT, Current, refuse_waiting_for_itself
from procactors.deferred._durable import keep_all, take_durable
from procactors.deferred._exclusive import Exclusive
from procactors.deferred._leftovers import discard, hand_over
from procactors.deferred._level import Level
from procactors.deferred._opportunity import Opportunity, enqueue_big
from procactors.deferred._origin import name_of
from procactors.deferred._parking import Parking
from procactors.deferred._report import Counts, Report
from procactors.deferred._rounds import Entry
from procactors.deferred._runner import Run
from procactors.deferred._shared import Shared
from procactors.deferred._stage import Stage
from procactors.deferred._tie import tie_to
from procactors.deferred._transactions import transactions_of
from procactors.deferred._updates import CallableUpdate
from procactors.errors import NoDeferredScopeError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from procactors.deferred._updates import Update
    from procactors.deferred._wake import Wake

_ZERO = Report()


class DeferredUpdates:
    """What one scope has deferred: a request, a step, a script."""

    __slots__ = (
        "__weakref__", "_is_closed", "_opportunity", "_reported", "_root", "_shared", "_turn",
        "big_queue_size", "opportunistic",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one keyword for each way in or out of a scope
        self,
        transactions: Any = None,
        manager: Any = None,
        enqueue: Callable[[Any, Any], Any] | None = None,
        opportunistic: bool = False,  # noqa: FBT001, FBT002 - the order is part of the contract
        big_queue_size: int = 100,
        *,
        keep: Callable[[Any], Any] | None = None,
        presentable: Callable[[Exception], bool] | None = None,
        on_failure: Callable[[Any, str, Exception], None] | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            transactions: The database in whose transactions the updates run: a `Transactions`, or an
                object that has an adapter. None: there is none.
            manager: Who takes processes, by `await manager.start(process, data)`, and keeps durable
                updates, by `await manager.keep_update(update)`; `manager.check_update(update)` refuses, when
                it is deferred, one that can't be kept.
            enqueue: `await enqueue(process, data)`, instead of the manager's `start`.
            opportunistic: Whether whoever schedules this queue runs it whenever that is allowed.
            big_queue_size: How many updates may wait behind an open transaction before those that can
                become processes do.
            keep: `await keep(update)` keeps an update that was deferred with `durable=True`, instead of
                the manager.
            presentable: Tells whether an error may be shown to the client; the first such error of a
                `run(Stage.PRESEND)` is raised by it. None: no error may.
            on_failure: Hears of each update that failed: `on_failure(update, origin, error)`, the origin
                as logs say it.
        """
        self.opportunistic = opportunistic
        self.big_queue_size = big_queue_size
        check: Callable[[Any], None] | None = None
        if manager is not None:
            enqueue = manager.start if enqueue is None else enqueue
            check = getattr(manager, "check_update", None) if keep is None else None
            keep = getattr(manager, "keep_update", None) if keep is None else keep
        adapter = None if transactions is None else transactions_of(transactions)
        self._shared = Shared(TransactionRound(adapter), RLock(), enqueue, keep, check, presentable, Counts())
        self._shared.on_failure = on_failure
        self._root = Level(self._shared)
        self._opportunity = Opportunity()
        self._turn = Exclusive()
        self._is_closed = False
        self._reported = _ZERO

    # Deferring.

    def add(
        self,
        update: Update,
        stage: Stage = Stage.POSTSEND,
        *,
        after_commit: Any = None,
        always: bool = False,
        durable: bool = False,
    ) -> None:
        """Defer `update`. Never blocks; may be called from any thread.

        Inside an update it goes into the queue of that update, and for the stage in progress if that is
        later than `stage`.

        Args:
            update: What to run: an object with `run()`, plain or async.
            stage: When to run it.
            after_commit: A database; if it has an open transaction, the update has to wait for its
                commit, and is dropped if it rolls back.
            always: Whether to run it even if what the scope is around fails.
            durable: Whether to have it kept for a process to do instead of running it here.

        Raises:
            NoDeferredScopeError: The scope has ended.
            TypeError: `update` has no `run`.
            ValueError: `stage` is neither PRESEND nor POSTSEND.
            DeferredError: `durable` is asked for and there is nobody to keep it.
            InvalidDefinitionError: `durable` is asked for, and its function could not be found again.
            InvalidDataError: `durable` is asked for, and its arguments can't be stored.
            Exception: What `merge` raised; the queue is as before.
        """
        frame = sys._getframe(1)  # noqa: SLF001 - the caller's line
        self.put(update, stage, frame, after_commit, always=always, durable=durable)

    def add_callable(
        self,
        function: Callable[[], Any],
        stage: Stage = Stage.POSTSEND,
        cancel_on_rollback: Iterable[Any] = (),
    ) -> None:
        """Defer a call of `function()`, plain or async; see `add` and `CallableUpdate`.

        Raises:
            NoDeferredScopeError: The scope has ended.
            TypeError: `function` can't be called.
        """
        update = CallableUpdate(function, cancel_on_rollback=cancel_on_rollback)
        self.put(update, stage, sys._getframe(1))  # noqa: SLF001 - the caller's line

    def put(
        self,
        update: Update,
        stage: Stage,
        frame: FrameType,
        after_commit: Any = None,
        *,
        always: bool = False,
        durable: bool = False,
    ) -> None:
        """Defer `update` as `add` does, on behalf of the line that `frame` is at."""
        if self._is_closed:
            problem = f"{name_of(update)} can't be deferred: its scope has ended"
            raise NoDeferredScopeError(problem)
        if stage not in (1, 2):  # Stage's own comparisons are slow
            problem = f"an update is deferred to PRESEND or POSTSEND, not to {stage!r}"
            raise ValueError(problem)
        if not hasattr(update, "run"):
            problem = f"an update is an object with run(), not {update!r} (a function: add_callable)"
            raise TypeError(problem)
        if durable:
            self._shared.check_durable(update)
        tie = None if after_commit is None else tie_to(after_commit)
        context = copy_context()
        level = self._level()
        level.add(Entry(update, context, frame.f_code, frame.f_lasti, tie, always, durable), stage)
        if level.owner is None:
            self._opportunity.rouse(self)

    # Running.

    async def run(self, stage: Stage = Stage.ALL) -> Report:
        """Run what waits, up to `stage`, until nothing is left, in the calling task.

        The failure of an update is logged, rolled back, counted and reported, and stops no other.
        Outside of updates only one task runs a queue at a time; a second one waits.

        Args:
            stage: PRESEND, POSTSEND (which includes what PRESEND has left), or ALL.

        Returns:
            What came of the updates; outside of updates, of all since the report before.

        Raises:
            ValueError: This is no stage.
            IllegalRecursionError: The caller is, or was added by, an update that is not round-defining;
                or this queue is being run further up by the same task, through another queue.
            Exception: The first presentable error, after everything has run, if `stage` is PRESEND.
            Exception: What a `merge` raised when an update moved up; what was claimed is lost, logged.

        Cancellation: the update in progress is rolled back; those that had no turn stay in the queue.
        """
        if stage not in tuple(Stage):
            problem = f"what runs is PRESEND, POSTSEND or ALL, not {stage!r}"
            raise ValueError(problem)
        level = self._level()
        run = Run(self, self._shared, Parking(self._root, self._shared, self._opportunity))
        before = self._shared.counts.since(_ZERO)
        if level.owner is not None:
            refuse_recursion(level.owner)
            await run.process(level, stage)
        else:
            try:
                if self._turn.is_held:
                    refuse_waiting_for_itself(self)
                async with self._turn:
                    await run.process(level, stage)
            finally:
                self._opportunity.make_up(self)
        if run.presentable is not None and stage == Stage.PRESEND:
            raise run.presentable
        return self.take_report() if level.owner is None else self._shared.counts.since(before)

    async def attempt(self, update: Update) -> None:
        """Run `update` at once in a round of its own, as `run` would, but raise what it raises.

        For updates that run others themselves, which have to be round-defining. Nothing is rolled back:
        whoever catches the error has to end the round that is still open. What the update defers belongs
        to the caller.

        Raises:
            RoundPendingError: A round is open or changes are pending; the update was not run.
            Exception: What the update or its commit raised.

        Cancellation: the round is still open.
        """
        await self._shared.round.attempt(update)

    async def try_opportunistic_run(self) -> bool:
        """Run everything if updates are allowed to run now; tell whether they were.

        They are not inside an update, while prevented, while another task runs them, and while a
        transaction is open. In the last case a big queue hands those that can become processes on.

        Raises:
            Exception: What making or handing on a process raised.

        Cancellation: as for `run`.
        """
        if self._level().owner is not None or self._opportunity.prevented:
            return False
        if self._turn.is_held:
            self._opportunity.is_missed = True
            return False
        if not self._shared.round.is_in_transaction():
            await self.run()
            return True
        if len(self._root) >= self.big_queue_size and self._shared.can_enqueue:
            await enqueue_big(self._root, self._shared)
        self._opportunity.watch(self, self._shared)
        return False

    @contextmanager
    def prevent_opportunistic(self) -> Iterator[None]:
        """Let `try_opportunistic_run` run nothing within the block. Blocks nest; `run` is not affected."""
        self._opportunity.prevented += 1
        try:
            yield
        finally:
            self._opportunity.prevented -= 1

    async def persisted(self) -> None:
        """Have the durable updates kept that are not tied to an open transaction, and wait for it.

        Raises:
            Exception: What keeping one raised; it and those after it stay in the queue.

        Cancellation: those that are not kept yet stay in the queue.
        """
        await keep_all(self._level(), self._shared)

    def take_durable(self) -> list[Update]:
        """Take out the durable updates that are not tied to an open transaction; the caller keeps them."""
        return [entry.update for entry in take_durable(self._level(), self._shared)]

    # The end.

    def clear(self) -> None:
        """Forget what waits here."""
        self._level().take(lambda _: True)
        if self._level().owner is None:
            self._shared.parked.clear()

    def discard(self, reason: str, *, even_always: bool = False) -> int:
        """Drop what waits, log it with its origin and `reason`, and return how many that was.

        What was added with `always=True` stays unless `even_always` is true.
        """
        return discard(self._root, self._shared, reason, even_always=even_always)

    async def hand_over(self, rescue: Callable[[Any], Any] | None = None) -> int:
        """Part with what has not run: as processes, to `rescue`, or into the log with its origin.

        Args:
            rescue: Gets each update that can't become a process; may be async; returns true if it has
                taken the update.

        Returns:
            How many nobody took.

        Cancellation: what was not handed over is logged.
        """
        return await hand_over(self._root, self._shared, rescue)

    def close(self) -> None:
        """Refuse further updates from now on."""
        self._is_closed = True

    # Questions.

    def pending_count(self) -> int:
        """Return how many updates wait here; a merged one counts once."""
        level = self._level()
        return len(level) + (len(self._shared.parked) if level.owner is None else 0)

    def pending(self, stage: Stage = Stage.ALL) -> list[Update]:
        """Return the updates that wait here for `stage`, in the order of adding."""
        level = self._level()
        entries = level.pending(stage)
        if level.owner is None and stage != Stage.PRESEND:
            entries += self._shared.parked
        return [entry.update for entry in entries]

    @property
    def depth(self) -> int:
        """How many updates the caller is nested in, by runs; 0 outside."""
        return self._level().depth

    @property
    def in_round(self) -> bool:
        """True while a transaction round that an update has opened is open."""
        return self._shared.round.owner is not None

    def take_report(self) -> Report:
        """Return what was counted since the last report."""
        report = self._shared.counts.since(self._reported)
        self._reported += report
        return report

    # For those who schedule it.

    def take_failures(self) -> Counter[str] | None:
        """Return how many have failed since the last call, by their origins; None: none."""
        failures, self._shared.failures = self._shared.failures, None
        return failures

    def origins(self) -> list[str]:
        """Return where each update that waits here was deferred, as logs say it."""
        return [str(entry.origin) for entry in (*self._root.pending(Stage.ALL), *self._shared.parked)]

    def on_ready(self, wake: Wake | None) -> None:
        """Call `wake(self)` whenever there may be something to run; None: not any more."""
        self._opportunity.wake = wake

    def as_current(self) -> Current:
        """Make this the queue that `defer` means within the block."""
        return Current(self, self._root)

    def _level(self) -> Level:
        place = CURRENT.get()
        if type(place) is not tuple or place[0] is not self:
            return self._root
        level = place[1]
        while level.is_closed and level.parent is not None:
            level = level.parent
        return level

    def __repr__(self) -> str:
        """Show how much waits."""
        return f"<DeferredUpdates pending={len(self._root)} parked={len(self._shared.parked)}>"
