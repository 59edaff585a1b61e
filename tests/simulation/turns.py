"""One thing after the other: of all that is outside of the loop one works at a time, and the loop waits.

So a history does not depend on how quick threads and OS processes are. Whoever works outside takes turns, in
the order in which they began; it is at work until it asks for something: to sleep in virtual time, or to be
back with what came of it. It gets that when nothing else is to be done.
"""

from __future__ import annotations

import asyncio
from queue import Empty, SimpleQueue

from procactors.executors.context import current_step
from procactors.testing import VirtualClock

STUCK_S = 300
"""After so many real seconds it is no slow machine any more."""


class TurnClock(VirtualClock):
    """The clock of a simulation; time waits for all that is outside and does not sleep."""

    def __init__(self):
        super().__init__()
        self._awake = []
        self._by_call = {}
        self.threads = {}
        """Those that run steps, by the contexts of these."""

    def wake(self, party):
        """Let one take turns, behind those that do."""
        if party not in self._awake:
            self._awake.append(party)

    def forget(self, party):
        """Let one take no more turns, if it does."""
        if party in self._awake:
            self._awake.remove(party)

    def begin_outside(self, call=None):
        """Let a step's thread take turns; OS processes do that by themselves."""
        if call is not None:
            ctx = current_step.get()
            self._by_call[call] = self.threads[ctx] = thread = Thread(self, call, ctx)
            self.wake(thread)

    def end_outside(self, call=None):
        """Go on waiting for it: one that was abandoned goes on, too."""

    def bring_back(self, call, loop, function):
        """Have it called in its turn."""
        self._by_call[call].ask_back(function)

    def let_go(self, thread):
        """Be done with a thread's call."""
        self.forget(thread)
        del self._by_call[thread.call]
        del self.threads[thread.ctx]

    def note_idle(self):
        """Give a turn to whose it is; if all sleep, time passes."""
        if not self._awake:
            return super().note_idle()
        self._awake[0].take_turn()
        return True

    def spin(self):
        """Give a turn to whose it is, too."""
        if self._awake:
            self._awake[0].take_turn()
        else:
            super().spin()


class Party:
    """One that takes turns. What it asks for is a function, called in the loop."""

    def __init__(self, clock):
        self.clock = clock
        self._wish = None
        self._timer = None

    @property
    def is_asleep(self):
        return self._timer is not None

    def take_turn(self):
        """Wait until it asks for something; grant it in the next turn: nothing else is to be done then."""
        if self._wish is None:
            self._wish = self.wait()
        else:
            wish, self._wish = self._wish, None
            wish()

    def wait(self):
        """Return what it asks for next."""
        raise NotImplementedError

    def sleep(self, seconds, go_on):
        """Let it sleep; then `go_on` in its turn."""
        if seconds <= 0:
            go_on()
        else:
            self.clock.forget(self)
            self._timer = asyncio.get_running_loop().call_later(seconds, self.rouse, go_on)

    def rouse(self, wish=None):
        """Let it take turns, whether it sleeps or not; `wish` is what it asks for first."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wish = None, wish
        self.clock.wake(self)


class Thread(Party):
    """A thread that runs a step."""

    def __init__(self, clock, call, ctx):
        super().__init__(clock)
        self.call = call
        self.ctx = ctx
        self._wishes = SimpleQueue()
        self._may_go_on = SimpleQueue()

    @property
    def is_abandoned(self):
        return self.call.is_abandoned

    def wait(self):
        try:
            return self._wishes.get(timeout=STUCK_S)
        except Empty:
            raise RuntimeError(f"the thread of {self.ctx} is stuck") from None

    # In the thread.

    def nap(self, seconds):
        """Sleep in virtual time, and go on when nobody else does anything."""
        self._wishes.put(lambda: self.sleep(seconds, lambda: self._may_go_on.put(None)))
        self._may_go_on.get()

    def ask_back(self, function):
        """Ask for the end."""
        self._wishes.put(lambda: self._end(function))

    def _end(self, function):
        self.clock.let_go(self)
        function()
