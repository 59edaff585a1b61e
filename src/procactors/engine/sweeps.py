"""What a manager does about processes that nobody owns: claim them, settle them, adopt them.

Each method is one look at the store and at most one transaction; what to do is decided in
`engine.decisions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors._clock import to_datetime
from procactors.engine.decisions import pausing, taking
from procactors.engine.messages import Write
from procactors.model.interrupt import merged
from procactors.model.payload import encode
from procactors.model.state import is_owned, next_call, next_code
from procactors.stores import _batch as b
from procactors.stores import is_gone
from procactors.stores._selections import Due, Expired, Orphaned, OwnedBy, Stranded

if TYPE_CHECKING:
    from procactors.engine.room import Room
    from procactors.model.step import Step
    from procactors.stores._record import Decide, Decision, Record

_PAGE = 500
_AGAIN_S = 1.0


class Claim(msgspec.Struct, frozen=True):
    """The result of a claim.

    Attributes:
        asked: How many were asked for.
        swept: What was taken up, or ended because its time was over.
        may_have_more: True if another claim may bring more: this one met steps for the first time, or what it
            took up is free again and may be due at once, or has ended, and others waited for that.
    """

    asked: int
    swept: list[b.Swept]
    may_have_more: bool


class Adoption(msgspec.Struct, frozen=True):
    """The result of a look for dead managers.

    Attributes:
        has_company: Whether other members are alive.
        may_have_freed: Whether there may be processes now that somebody has to take up, or cancel.
    """

    has_company: bool
    may_have_freed: bool


class Sweeps:
    """Sweeps over the store, on behalf of one manager."""

    def __init__(self, room: Room) -> None:
        """Sweep the room's store."""
        self._room = room
        self._claimed_at = 0.0
        self._settled_at = 0.0

    async def _sweep(
        self, selection: Any, limit: int, decision: Decide, take_as: int | None = None
    ) -> list[b.Swept]:
        sweep = b.Sweep(selection=selection, limit=limit, decide=decision, take_as=take_as)
        swept: list[b.Swept] = await self._room.persistence.ask(Write(sweep), timeout=None)
        return swept

    async def claim(self, limit: int) -> Claim:
        """Become the owner of up to `limit` processes that are due.

        Inside the transaction only steps are taken that are prepared already, as preparing may import
        modules; those that are new are prepared after it.
        """
        catalog, me = self._room.catalog, self._room.name
        self._claimed_at = self._room.store.now()
        met: list[Step] = []

        def take(record: Record, now: float) -> Decision | None:
            step = next_code(record.state, record.plan)
            if step is not None and not catalog.knows(step):
                met.append(step)
                return None
            decision = taking.take_up(record, now, me)
            step = next_code(decision.state, record.plan)
            if step is not None and is_owned(decision.state) and not catalog.knows(step):
                met.append(step)
                return taking.held_back(record.plan, record.state, decision, to_datetime(now))
            return decision

        due = Due(frozenset(catalog.refused))
        swept = await self._sweep(due, limit, take, self._room.member.id)
        for step in met:
            catalog.can_run(step)
        return Claim(limit, swept, bool(met) or any(map(_lets_others, swept)))

    async def settle(self) -> bool:
        """End, or answer for, the free processes whose time is over. True if there may be more."""
        limit_bytes = self._room.options.payload_limit_bytes

        def answered(data: Any, answer: Any) -> msgspec.Raw:
            return encode(merged(data, answer), limit_bytes, "the merged answer")

        self._settled_at = self._room.store.now()
        swept = await self._sweep(Expired(), _PAGE, pausing.expire(answered))
        return len(swept) == _PAGE

    async def strand(self) -> bool:
        """Block the processes that have long been due, and whose step can't be run here."""
        refused = dict(self._room.catalog.refused)
        before = self._room.store.now() - self._room.options.blocked_after_s
        stranded = Stranded(before, frozenset(refused))
        swept = await self._sweep(stranded, _PAGE, pausing.strand(refused))
        return len(swept) == _PAGE

    async def adopt(self, *, also_own: bool = False) -> Adoption:
        """Free the processes of managers that are dead.

        Args:
            also_own: Also those of this manager, which has just begun another life.
        """
        me = self._room.member
        now = self._room.store.now()  # before it asks: it may be suspended until the answer is out of date
        members = await self._room.store.members()
        dead = [m for m in members if m.id != me.id and is_gone(m, me.identity, now)]
        for member in dead:
            await self._free(OwnedBy(member.id, is_gone=True), f"manager {member.identity.name} is gone")
        if also_own:
            await self._free(OwnedBy(me.id, is_gone=False), "the engine was restarted")
        owners = await self._room.store.running(0)
        has_orphans = bool(owners.keys() - {me.id, *(m.id for m in members)})
        may_have_freed = also_own or bool(dead) or has_orphans
        if may_have_freed:
            await self._free(Orphaned(), "its manager is gone")
        return Adoption(len(members) - len(dead) > 1, may_have_freed)

    async def _free(self, selection: OwnedBy | Orphaned, reason: str) -> None:
        recover = taking.recover(reason, self._room.options.crash_limit)
        while len(await self._sweep(selection, _PAGE, recover)) == _PAGE:
            pass

    async def left_behind(self, pid: str) -> Record | None:
        """Return a process whose actor in this manager has ended without settling it; None: it is settled.

        What that actor still had under way to the store is in it by then.
        """
        await self._room.persistence.ask(Write(b.Forget(())), timeout=None)
        record = await self._room.store.record(pid)
        return None if record is None or record.owner != self._room.member.id else record

    async def recover_own(self, pid: str, reason: str) -> None:
        """Free a process whose actor in this manager has failed."""
        recover = taking.recover(reason, self._room.options.crash_limit)
        commands: tuple[b.Command, ...] = ()
        while (record := await self.left_behind(pid)) is not None:
            decision = recover(record, self._room.store.now())
            assert decision is not None
            append = b.Append(
                process=record.id,
                pid=pid,
                name=record.name,
                epoch=record.epoch,
                decision=decision,
                priority=record.priority,
                owner=None,
                call=next_call(decision.state, record.plan),
                commands=tuple(command.id for command in commands),
            )
            outcome = await self._room.persistence.ask(Write(append), timeout=None)
            if type(outcome) is not b.CommandsWaiting:
                return
            commands = outcome.commands

    async def next_moments(self, *, has_room: bool) -> tuple[float | None, float | None]:
        """Return in how many seconds something becomes due, and something expires.

        What has become due since the last claim is due at once; without room for it, a claim follows anyway
        when there is some.
        """
        now = self._room.store.now()
        since = self._claimed_at if has_room else now
        due_at, expires_at = await self._room.store.next_moments(since)
        if expires_at is not None and expires_at <= self._settled_at:  # it could not be read then
            expires_at = max(now, self._settled_at + _AGAIN_S)
        return (
            None if due_at is None else max(0.0, due_at - now),
            None if expires_at is None else max(0.0, expires_at - now),
        )


def _lets_others(swept: b.Swept) -> bool:
    """Tell whether a claimed process that does not run now may have let others start."""
    state = swept.written.state
    if swept.written.lets_start:
        return True
    return not is_owned(state) and (not state.status.is_ended or swept.record.plan.limits is not None)
