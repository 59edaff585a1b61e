"""A model of MediaWiki's transaction rounds over several databases, each behind a balancer."""

from __future__ import annotations

from tests.conformance.deferred._handle import DATABASE_ERRORS, DatabaseError, Handle

NAMES = ("main", "ext")
UNNAMED = object()
"""Owner of a round that procactors has begun, until the update it is for starts to run."""


class Balancer:
    """One database's part in the rounds."""

    def __init__(self, handle):
        self.handle = handle
        self.stage = "idle"
        self.round = None

    def _require(self, *stages):
        if self.stage not in stages:
            raise DatabaseError("round-stage", f"{self.stage}, not {stages}")

    async def begin(self, owner):
        if self.round is not None:
            raise DatabaseError("round-already-started")
        self._require("idle")
        await self.handle.flush_snapshot()
        self.round = owner
        handle = self.handle
        handle.prior_modes.append(handle.implicit)
        handle.implicit = True
        handle.round = owner

    async def finalize(self):
        self._require("idle", "finalized")
        self.stage = "error"
        total = 0
        while count := await self.handle.run_pre_commit():
            total += count
        self.handle.is_suppressed = True
        self.stage = "finalized"
        return total

    def approve(self):
        self._require("finalized")
        self.stage = "error"
        if self.handle.is_explicit:
            raise DatabaseError("explicit-trx-active")
        self.handle.estimate_writes()
        self.stage = "approved"

    async def commit(self):
        self._require("approved")
        was_in_round, self.round = self.round is not None, None
        self.stage = "error"
        try:
            await self.handle.commit("all")
        except DATABASE_ERRORS as error:
            raise DatabaseError("commit-failed", str(error)) from error
        if was_in_round:
            self._leave_round()
        self.stage = "commit"

    async def rollback(self):
        was_in_round, self.round = self.round is not None, None
        self.stage = "error"
        await self.handle.rollback("all")
        if was_in_round:
            self._leave_round()
        self.stage = "rollback"

    def _leave_round(self):
        handle = self.handle
        if handle.implicit:
            handle.round = None
        if handle.prior_modes:
            handle.implicit = handle.prior_modes.pop()

    async def run_idle(self):
        self._require("commit", "rollback")
        trigger, self.stage = self.stage, "error"
        handle = self.handle
        handle.is_suppressed = False
        errors = []
        count = 1
        while count:
            count = 0 if handle.is_open else await handle.run_idle(trigger, errors)
            try:
                await handle.commit("all")
            except DATABASE_ERRORS as error:
                errors.append(error)
        self.stage = trigger
        return errors

    async def run_listener(self):
        self._require("commit", "rollback")
        trigger, self.stage = self.stage, "error"
        errors = []
        await self.handle.run_listener(trigger, errors)
        self.stage = "idle"
        return errors


class Factory:
    """All databases of one scenario."""

    def __init__(self, folder, *, implicit, listener=None):
        self.handles = {
            name: Handle(
                folder / f"{name}.db", implicit=implicit, listener=listener if name == "main" else None
            )
            for name in NAMES
        }
        self.balancers = [Balancer(handle) for handle in self.handles.values()]
        self.stage = "idle"
        self.round = None
        self.last_owner = None
        self._end_callbacks = []

    @property
    def has_round(self):
        return self.round is not None

    def starts(self, owner):
        """Note that the body of an update starts; the round begun for it is its own."""
        if self.round is UNNAMED:
            self.round = owner

    def ends(self, owner):
        """Note that the body of an update has ended: it is the one who commits next."""
        self.last_owner = owner

    def refused_commit(self):
        """Stay in the stage in which a commit was refused, also if procactors has refused it already."""
        self.stage = "commit"

    def _require_idle(self):
        if self.stage != "idle":
            raise DatabaseError("round-stage", self.stage)

    async def begin_round(self, owner):
        self._require_idle()
        self.stage = "begin"
        if self.round is not None:
            raise DatabaseError("round-already-started")
        self.round = owner
        for balancer in self.balancers:
            await balancer.begin(owner)
        self.stage = "idle"

    async def commit_round(self, owner):
        self._require_idle()
        self.stage = "commit"
        if self.round is not None and self.round != owner:
            raise DatabaseError("round-still-running", str(self.round))
        while sum([await balancer.finalize() for balancer in self.balancers]):
            pass
        self._end_round(committed=True)
        for balancer in self.balancers:
            balancer.approve()
        for balancer in self.balancers:
            await balancer.commit()
        self.stage = "commit callbacks"
        errors = await self._run_callbacks()
        self.stage = "idle"
        if errors:
            raise errors[0]

    async def rollback_round(self):
        self.stage = "rollback"
        self._end_round(committed=False)
        for balancer in self.balancers:
            await balancer.rollback()
        self.stage = "rollback callbacks"
        await self._run_callbacks()
        self.stage = "idle"

    def _end_round(self, *, committed):
        self.round = None
        callbacks, self._end_callbacks = self._end_callbacks, []
        for callback in callbacks:
            callback(committed)

    async def _run_callbacks(self):
        errors = []
        while True:
            for balancer in self.balancers:
                errors += await balancer.run_idle()
            if not self.has_pending:
                break
        for balancer in self.balancers:
            errors += await balancer.run_listener()
        return errors

    async def commit_and_wait(self, owner, wait):
        effective = owner if self.round is None else self.round
        await self.commit_round(effective)
        await wait("commit")
        if effective != owner:
            await self.begin_round(effective)

    @property
    def has_pending(self):
        return any(handle.has_changes for handle in self.handles.values())

    # What procactors asks of it: the public protocol `Transactions`.

    def in_transaction(self):
        is_explicit = any(handle.is_explicit for handle in self.handles.values())
        return self.has_round or self.stage != "idle" or self.has_pending or is_explicit

    def has_changes(self):
        return self.has_round or self.has_pending

    async def begin(self):
        await self.begin_round(UNNAMED)

    async def commit(self):
        is_unnamed = self.round is UNNAMED  # the body was not run, because it was cancelled
        await self.commit_round(UNNAMED if is_unnamed else self.last_owner)

    async def rollback(self):
        await self.rollback_round()

    def on_resolution(self, callback):
        self._end_callbacks.append(callback)

    error = DatabaseError

    def rows(self, names):
        return {name: self.handles[name].rows() for name in names}

    def close(self):
        for handle in self.handles.values():
            handle.close()
