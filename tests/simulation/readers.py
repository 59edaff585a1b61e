"""Those who look on: whoever follows events misses none, and gets none twice."""

from __future__ import annotations

import anyio

from procactors import HistoryGoneError, ProcactorsError, ProcessEndedError, StepProgressed

LONGEST_S = 30


class Readers:
    """One that follows everything, through all managers, and one that follows processes at random."""

    def __init__(self, rng, world):
        self._rng = rng
        self._world = world
        self._ledger = world.ledger
        self.last = 0
        """Position of the last event that the first of them has seen."""

    async def follow_all(self):
        """Follow all processes."""
        await self._again_and_again(self._follow_all)

    async def follow_some(self):
        """Follow one process after the other, or wait for its result."""
        await self._again_and_again(self._follow_one)

    async def _again_and_again(self, look_on):
        while not self._world.is_over.is_set():
            manager = self._world.managers.any(self._rng)
            if manager is not None:
                try:
                    await look_on(manager)
                except ProcactorsError as error:
                    self._ledger.heard(look_on.__name__, error)
                except AssertionError as error:
                    self._ledger.complain(f"a reader: {error}")
            await anyio.sleep(self._rng.choice((0.1, 1)))

    async def _follow_all(self, manager):
        async with manager.subscribe() as events:
            self.last = events.last
            async for event in events:
                if isinstance(event, StepProgressed):
                    continue
                self.last = self._follows(self.last, event)

    async def _follow_one(self, manager):
        lives = list(self._ledger.lives.values())
        life = self._rng.choice([life for life in lives if not life.is_ended] or lives or [None])
        if life is None:
            return
        look_on = self._rng.choice((self._read_result, self._read_history, self._read_all))
        with anyio.move_on_after(LONGEST_S):
            await look_on(manager, life)

    async def _read_result(self, manager, life):
        try:
            output = await manager.result(life.pid)
        except ProcessEndedError:
            assert life.ends, f"{life.pid} was said to have ended, and has not"
        else:
            assert output in life.outputs, f"{life.pid} was said to have given {output}"

    async def _read_history(self, manager, life):
        last = self._rng.choice((0, life.seq // 2, life.seq))
        async with manager.subscribe(life.pid, after=last) as events:
            async for event in events:
                if isinstance(event, StepProgressed):
                    assert event.seq >= last, f"progress after event {event.seq}, when {last} was seen"
                    continue
                assert event.seq == last + 1, f"event {event.seq} of {life.pid} after {last}"
                last = event.seq
                self._check(event)

    async def _read_all(self, manager, _life):
        """Read all events from one position on, unless what comes after it is deleted."""
        remains, last = self._ledger.remains, self._rng.choice((0, self._ledger.position // 2))
        gone = remains.position_gone
        try:
            async with manager.subscribe(after=last) as events:
                assert gone <= last, f"events up to {gone} are deleted, and {last} was no position too late"
                async for event in events:
                    if isinstance(event, StepProgressed):
                        continue
                    last = self._follows(last, event)
        except HistoryGoneError as error:
            self._ledger.heard("_read_all", error)
            assert remains.position_gone > last, f"nothing after {last} is deleted"

    def _follows(self, last, event):
        """See that nothing is left out between this event and the one before, and return its position."""
        is_next = event.position > last and self._ledger.remains.explains_gap(last, event.position)
        assert is_next, f"position {event.position} after {last}"
        self._check(event)
        return event.position

    def _check(self, event):
        seen, known = (event.pid, event.seq, type(event).__name__), self._ledger.log[event.position - 1]
        assert seen == known, f"position {event.position} is {seen}, not {known}"
