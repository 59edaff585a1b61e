"""The supervisor's errands: what it has looked up and done in the store, without waiting for it.

One of a kind is under way at a time, and it is sent once more if it was wanted meanwhile. What an errand
returns decides which others follow.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from procactors.actors import Exit, Normal
from procactors.engine import control
from procactors.engine.children import cancel_bereaved
from procactors.engine.messages import Errand, LookAgain
from procactors.model.state import is_owned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors.engine.admission import Admission
    from procactors.engine.room import Room
    from procactors.engine.sweeps import Adoption, Claim, Sweeps
    from procactors.stores import News
    from procactors.stores._batch import Command, Swept

_log = logging.getLogger("procactors.engine")

_RETRY_S = 1.0
_LOOK_FOR_DEAD_S = 0.5
"""While there are others: one that was killed on this machine is taken over from in under a second."""


class ErrandHost(Protocol):
    """Who sends errands: the supervisor."""

    is_draining: bool

    @property
    def running(self) -> int:
        """How many processes run here, some of them perhaps without a slot."""
        ...

    def take(self, swept: Swept) -> None:
        """Run a process that was claimed."""
        ...

    def let_return(self) -> None:
        """Give free slots to those who return from waiting."""
        ...

    def deliver(self, commands: tuple[Command, ...]) -> None:
        """Hand commands to the actors of the processes that run here."""
        ...

    def spawn(self, function: Callable[..., Awaitable[Any]], *args: Any, name: str) -> None:
        """Run a child task, whose end is told to `Errands.ended` if it has an errand's name."""
        ...

    def set_timer(self, key: str, delay: float, message: Any) -> None:
        """Receive a message in `delay` seconds."""
        ...


class Errands:
    """Sends them, and follows what they return."""

    def __init__(self, room: Room, sweeps: Sweeps, admission: Admission, host: ErrandHost) -> None:
        """Run errands for `host`."""
        self._room = room
        self._admission = admission
        self._host = host
        self._under_way: set[str] = set()
        self._wanted_again: set[str] = set()
        self._sweeps = sweeps
        self._has_company = False
        self._kinds: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[Any], None]]] = {
            "bereave": (lambda: cancel_bereaved(room), self._bereaved),
            "adopt": (sweeps.adopt, self.adopted),
            "claim": (self._claim, self._claimed),
            "news": (self._news, self._heard),
            "settle": (sweeps.settle, self._settled),
            "strand": (sweeps.strand, self._stranded),
            "moments": (self._moments, self._set_timers),
        }

    def __contains__(self, name: str) -> bool:
        """Tell whether there is an errand of that name."""
        return name in self._kinds

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is under way, which may bring processes."""
        return "claim" in self._under_way

    def send(self, name: str) -> None:
        """Send an errand, or send it again when it is back."""
        if self._host.is_draining and name != "news":
            return  # what others want of the steps that still run is heard to the end
        if name in self._under_way:
            self._wanted_again.add(name)
        else:
            self._under_way.add(name)
            self._host.spawn(self._kinds[name][0], name=name)

    def ended(self, name: str, end: Exit) -> None:
        """Follow what an errand has returned, or try it again later if it has failed."""
        self._under_way.discard(name)
        if name == "claim":
            self._admission.end_claim()
        if isinstance(end, Normal):
            self._kinds[name][1](end.value)
        else:
            _log.warning("%s failed and is tried again: %s", name, end.error)
            self._host.set_timer(f"retry-{name}", _RETRY_S, Errand(name))
        if name in self._wanted_again:
            self._wanted_again.discard(name)
            self.send(name)

    def look(self) -> None:
        """Claim if a slot is free, or as soon as one is; then see when to look again."""
        if self._admission.free(self._host.running):
            self.send("claim")
        else:
            self._admission.has_waiting = True
            self.send("moments")

    async def _claim(self) -> Claim:
        return await self._sweeps.claim(self._admission.begin_claim(self._host.running))

    def _claimed(self, claim: Claim) -> None:
        self._admission.note_claim(claim.asked, len(claim.swept))
        for swept in claim.swept:
            if is_owned(swept.written.state):
                self._host.take(swept)
        self._host.let_return()
        if claim.may_have_more or self._admission.has_waiting:
            self.look()
        else:
            self.send("moments")
        if self._room.catalog.refused:
            self._host.set_timer("strand", self._room.options.blocked_after_s, Errand("strand"))

    async def _news(self) -> News:
        return await self._room.store.news(self._room.member.id, frozenset(self._room.catalog.refused))

    def _heard(self, news: News) -> None:
        own = tuple(c for c in news.commands if c.owner is not None)
        if own:
            self._host.deliver(own)
        for command in news.commands:
            if command.owner is None and not self._host.is_draining:
                self._host.spawn(control.obey_for_nobody, self._room, command, name="obey")
        if news.is_bereaved:
            self.send("bereave")
        if news.is_due:
            self._admission.has_waiting = True
            self.look()
        else:
            self.send("moments")

    def _settled(self, has_more: bool) -> None:  # noqa: FBT001 - the errand's result
        self.send("settle" if has_more else "claim")

    def _stranded(self, has_more: bool) -> None:  # noqa: FBT001 - the errand's result
        if has_more:
            self.send("strand")
        else:
            self._room.catalog.forget_refused()
            self.look()

    def _bereaved(self, has_more: bool) -> None:  # noqa: FBT001 - the errand's result
        if has_more:
            self.send("bereave")

    def adopted(self, adoption: Adoption) -> None:
        """Follow what a look for dead managers has shown."""
        self._has_company = False
        if adoption.has_company:
            self.expect_company()
        if adoption.may_have_freed:
            self.send("bereave")
            self.look()

    def expect_company(self) -> None:
        """Look again soon whether another member has died; one that is alone need not."""
        if not self._has_company:
            self._has_company = True
            every = min(self._room.options.lease_s / 4, _LOOK_FOR_DEAD_S)
            self._host.set_timer("adopt", every, Errand("adopt"))

    async def _moments(self) -> tuple[float | None, float | None]:
        return await self._sweeps.next_moments(has_room=self._admission.free(self._host.running) > 0)

    def _set_timers(self, moments: tuple[float | None, float | None]) -> None:
        due, expires = moments
        if due is not None:
            self._host.set_timer("due", due, LookAgain())
        if expires is not None:
            self._host.set_timer("expires", expires, Errand("settle"))
