"""One life of an actor: `on_start`, its messages, `on_stop`, and the force that ends what does not end.

Whatever the actor raises becomes an exit. A stop is asked for first; when the grace is over the life's
cancel scope is cancelled; when that does not help either, its coroutine is left behind. `on_stop` runs
shielded from the cancellation that may have ended the life, within a bound of its own.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio

from procactors.actors._exit import Abandoned, Cancelled, Exit, Failed, Normal, exit_by
from procactors.actors._host import cancel_tasks_below
from procactors.actors._leave import Leavable, LeftBehindError
from procactors.actors._state import CellState

if TYPE_CHECKING:
    from collections.abc import Callable

    from procactors.actors._actor import Actor
    from procactors.actors._cell import Cell
    from procactors.actors._timers import Timer

_log = logging.getLogger("procactors.actors")


class Life:
    """One instance of an actor in a cell, from its start to its end."""

    __slots__ = ("_actor", "_cell", "_drive", "_force", "_scope", "is_finished", "is_left_behind")

    def __init__(self, cell: Cell, actor: Actor[Any]) -> None:
        """Make the life of `actor` in `cell`; `run` lives it."""
        self._cell = cell
        self._actor = actor
        self._scope = anyio.CancelScope()
        self._drive = Leavable(self._live())
        self._force: Timer | None = None
        self.is_finished = False
        """True once the actor has ended by itself, whatever its `on_stop` does."""
        self.is_left_behind = False
        """True once cancel scopes are left open in its task, which can host no other life then."""

    async def run(self) -> Exit:
        """Live, and return how it ended."""
        try:
            return await self._drive
        except LeftBehindError:
            return await self._leave_behind(Abandoned())
        except RuntimeError as error:  # from anyio, and nowhere else: `_live` itself raises nothing
            _log.exception(
                "actor %s ended with a cancel scope or task group of its own still open", self._cell.name
            )
            return await self._leave_behind(Failed(error))
        finally:
            self._ease()

    async def _leave_behind(self, end: Exit) -> Exit:
        self.is_left_behind = True
        cancel_tasks_below()
        with anyio.CancelScope(shield=True):
            await self._cell.tasks.cancel_all(self._cell.options.grace_s)
        return end

    async def _live(self) -> Exit:
        end: Exit = Cancelled()
        with self._scope:
            end = await self._work()
            if not self._scope.cancel_called:
                # In the same scope, `on_stop` can close a task group that `on_start` opened.
                return await self._put_away(end)
        self._scope = anyio.CancelScope(shield=True)
        with self._scope:
            end = await self._put_away(end)
        return end  # noqa: RET504 - a scope may swallow, for all that the type checker knows

    async def _work(self) -> Exit:
        cell = self._cell
        try:
            cell.turns.begin(self._actor)
            if cell.turns.is_over:  # a stop came before the task of this life had its first turn
                self.end_soon()
            await self._actor.on_start()
            cell.note_running()
            await cell.turns.serve(self._actor)
            return cell.good_end()
        except (Exception, anyio.get_cancelled_exc_class()) as error:  # noqa: BLE001 - an end is data
            return exit_by(error)

    async def _put_away(self, end: Exit) -> Exit:
        cell = self._cell
        if (error := cell.turns.hook_error) is not None:
            end = Failed(error)
        self.is_finished = isinstance(end, Normal)
        cell.state = CellState.STOPPING
        cell.settle(end)
        self._ease()
        await cell.tasks.cancel_all(cell.options.grace_s)
        self._press(1, self._cancel)
        try:
            await self._actor.on_stop(end)
        except (Exception, anyio.get_cancelled_exc_class()) as error:  # noqa: BLE001 - an end is data
            if isinstance(error, Exception) or not self._scope.cancel_called:
                _log.exception("actor %s failed in on_stop", cell.name)
                return end if isinstance(end, Failed) else exit_by(error)
            _log.warning("on_stop of actor %s took more than %g s", cell.name, cell.options.grace_s)
        return end

    # Stop, in growing severity.

    def end_soon(self) -> None:
        """End after the message in hand; with force when the grace is over."""
        self._cell.turns.end()
        if self._cell.state is not CellState.STOPPING:
            self._press(1, self._cancel)
            self._cell.turns.call_hook(self._actor.on_stop_requested)

    def _cancel(self) -> None:
        self._scope.cancel()
        self._press(2, self.leave)

    def leave(self) -> None:
        """Leave the actor behind now: it never runs again."""
        self._drive.leave()

    def _press(self, graces: int, harder: Callable[[], None]) -> None:
        self._ease()
        delay = graces * self._cell.options.grace_s
        self._force = self._cell.system.timers.after(delay, harder)

    def _ease(self) -> None:
        if self._force is not None:
            self._force.cancel()
            self._force = None
