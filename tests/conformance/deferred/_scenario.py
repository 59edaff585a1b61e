"""Plays one scenario against procactors and writes the trace of what happens.

It holds no queue and no rule of deferral: each op is one call of the public interface, or, if it is
about databases, of the model in `_factory.py`, which scenarios without databases do without.
"""

from __future__ import annotations

import logging

from procactors.deferred import DeferredUpdates, Stage
from procactors.errors import IllegalRecursionError, RoundPendingError
from tests.conformance.deferred import _kinds

STAGES = {"pre": Stage.PRESEND, "post": Stage.POSTSEND, "all": Stage.ALL}


class ScenarioError(Exception):
    """What a scenario throws: `fail`, `fail_job`, `fail_merge`."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class PresentableError(ScenarioError):
    """`fail_as: gui`: what a client may be shown."""


class Scenario:
    """One case at play."""

    def __init__(self, case, make_factory=None):
        self.case = case
        self.trace = []
        self.is_cli = case["mode"] == "cli"
        self.updates = DeferredUpdates(
            transactions=self._connect(make_factory),
            enqueue=self._enqueue,
            opportunistic=self.is_cli,
            presentable=lambda error: isinstance(error, PresentableError),
        )
        self.known = {}
        self.prevented = []
        self.is_woken = False

    def _connect(self, make_factory):
        self.factory = None if make_factory is None else make_factory(self.is_cli, self._listen)
        return self.factory

    async def play(self):
        """Run the ops and return the trace."""
        if self.updates.opportunistic:
            self.updates.on_ready(self._wake)
        log = logging.getLogger("procactors.deferred")
        handler = _Listener(self)
        before = log.level, log.propagate
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        log.propagate = False
        try:
            await self._run_ops(self.case["ops"], is_top=True)
            self._note_final()
        finally:
            log.removeHandler(handler)
            log.level, log.propagate = before
            while self.prevented:
                self.prevented.pop().__exit__(None, None, None)
        return self.trace

    def _note_final(self):
        pre, post = self._pending()
        final = {"pre": pre, "post": post, "depth": self.updates.depth, "round": self.has_round}
        if self.factory is not None and (written := written_databases(self.case["ops"])):
            final["rows"] = self.factory.rows(written)
        self.note("final", **final)

    def _wake(self, _updates):
        self.is_woken = True

    async def _listen(self, trigger):
        """The connection layer tells that a transaction of the main database is over."""
        if self.is_cli and trigger == "commit":
            await self.updates.try_opportunistic_run()

    # What updates do.

    async def run_body(self, name, bodies, owner, *, is_mergeable=False):
        if self.factory is not None:
            self.factory.starts(owner)
        merged = {"merged": [body.id for body in bodies]} if is_mergeable else {}
        self.note("start", id=name, depth=self.updates.depth, round=self.has_round, **merged)
        ok = False
        try:
            for body in list(bodies):
                await self._run_part(body.id, body.spec)
            ok = True
        finally:
            self.note("end", id=name, ok=ok)
            if self.factory is not None:
                self.factory.ends(owner)

    async def _run_part(self, name, spec):
        if spec.get("fail") == "before":
            raise self.failure("boom", name, spec.get("fail_as"))
        await self._run_ops(spec.get("do", ()))
        if spec.get("fail"):
            raise self.failure("boom", name, spec.get("fail_as"))

    def failure(self, code, name, fail_as=None):
        message = f"{code}:{name}"
        if fail_as == "db" and self.factory is not None:
            return self.factory.error(code, message)
        return PresentableError(code, message) if fail_as == "gui" else ScenarioError(code, message)

    def process_of(self, name, body):
        if body.spec.get("fail_job"):
            raise self.failure("job", body.id)
        return name, {}

    async def _enqueue(self, process, _data):
        self.note("job", id=process)

    # Ops.

    async def _run_ops(self, ops, *, is_top=False):
        for op in ops:
            try:
                await getattr(self, f"_op_{op['op']}")(op)
            except Exception as error:
                self.note("exc", op=op["op"], **described(error))
                if self.factory is not None and code_of(error) == "round-still-running":
                    self.factory.refused_commit()
                if not (is_top or op.get("catch")):
                    raise

    def _body(self, spec):
        return _kinds.Body(self, spec)

    def _make(self, spec):
        update = _kinds.make(self._body(spec), self._handle)
        self.known[spec["id"]] = update
        return update

    def _handle(self, name):
        return self.factory.handles[name]

    def _handle_of(self, op):
        return self._handle(op.get("db", "main"))

    async def _op_add(self, op):
        spec = op["u"]
        stage = STAGES[spec.get("stage", "post")]
        self.is_woken = False
        if spec.get("static"):
            handles = [self._handle(name) for name in spec.get("dbs", ())]
            self.updates.add_callable(self._body(spec), stage, cancel_on_rollback=handles)
        else:
            self.updates.add(self._make(spec), stage)
        await self._run_if_woken()

    async def _op_readd(self, op):
        self.is_woken = False
        self.updates.add(self.known[op["id"]], STAGES[op.get("stage", "post")])
        await self._run_if_woken()

    async def _run_if_woken(self):
        if self.is_woken:
            await self.updates.try_opportunistic_run()

    async def _op_attempt(self, op):
        await self.updates.attempt(self._make(op["u"]))

    async def _op_do(self, op):
        self.note("do", stage=op["stage"])
        await self.updates.run(STAGES[op["stage"]])
        self.note("done")

    async def _op_try(self, _op):
        self.note("try")
        self.note("tried", ret=await self.updates.try_opportunistic_run())

    async def _op_prevent(self, _op):
        block = self.updates.prevent_opportunistic()
        block.__enter__()
        self.prevented.append(block)

    async def _op_unprevent(self, _op):
        if self.prevented:
            self.prevented.pop().__exit__(None, None, None)

    async def _op_clear(self, _op):
        self.updates.clear()

    async def _op_count(self, _op):
        self.note("count", n=self.updates.pending_count())

    async def _op_depth(self, _op):
        self.note("depth", n=self.updates.depth)

    async def _op_pending(self, _op):
        pre, post = self._pending()
        self.note("pending", pre=pre, post=post)

    async def _op_repeat(self, op):
        for number in range(op["n"]):
            await self._run_ops(numbered(op["do"], number))

    async def _op_note(self, op):
        self.note("note", v=op["v"])

    # Ops on databases.

    async def _op_begin(self, op):
        await self._handle_of(op).begin()

    async def _op_commit(self, op):
        await self._handle_of(op).commit()

    async def _op_rollback(self, op):
        await self._handle_of(op).rollback()

    async def _op_write(self, op):
        await self._handle_of(op).write(op["v"])

    async def _op_read(self, op):
        await self._handle_of(op).read()

    async def _op_atomic_start(self, op):
        await self._handle_of(op).start_atomic("oracle", cancelable=op.get("cancelable", False))

    async def _op_atomic_end(self, op):
        await self._handle_of(op).end_atomic("oracle")

    async def _op_atomic_cancel(self, op):
        await self._handle_of(op).cancel_atomic("oracle")

    def _callback(self, op):
        async def callback(trigger):
            self.note("cb", kind=op["op"], id=op["id"], trigger=trigger)
            await self._run_part(op["id"], {**op, "fail": op.get("fail") and "after"})

        return callback

    async def _op_on_commit(self, op):
        await self._handle_of(op).on_commit(self._callback(op))

    async def _op_pre_commit(self, op):
        await self._handle_of(op).pre_commit(self._callback(op))

    async def _op_on_resolution(self, op):
        self._handle_of(op).at_end(self._callback(op))

    async def _op_trx(self, op):
        handle = self._handle_of(op)
        writes = handle.is_open and handle.has_written
        self.note("trx", level=int(handle.is_open), writes=writes, round=self.has_round)

    async def _op_round_begin(self, _op):
        await self.factory.begin_round("oracle")

    async def _op_round_commit(self, _op):
        await self.factory.commit_round("oracle")

    async def _op_round_rollback(self, _op):
        await self.factory.rollback_round()

    async def _op_wait_replication(self, _op):
        await self._listen("commit")

    async def _op_commit_wait(self, _op):
        await self.factory.commit_and_wait("oracle", self._listen)
        self.note("commit_waited", ret=True)

    # The trace.

    def note(self, event, **fields):
        self.trace.append({"e": event, **fields})

    @property
    def has_round(self):
        return self.updates.in_round if self.factory is None else self.factory.has_round

    def _pending(self):
        stages = (Stage.PRESEND, Stage.POSTSEND)
        return [[_kinds.id_of(update) for update in self.updates.pending(stage)] for stage in stages]


class _Listener(logging.Handler):
    """Hears of failures where users do: in the log."""

    def __init__(self, scenario):
        super().__init__()
        self.scenario = scenario

    def emit(self, record):
        name = _kinds.id_of(record.deferred_update)
        phase = record.deferred_phase
        if phase == "cancelled":
            self.scenario.note("noop", id=name)
        elif phase in {"run", "enqueue"}:
            self.scenario.note("err", id=name, phase=phase, **described(record.exc_info[1]))


def described(error):
    """Return an error as traces have it."""
    return {"class": type(error).__name__, "code": code_of(error), "msg": str(error)}


def code_of(error):
    if isinstance(error, IllegalRecursionError):
        return "recursion-not-aware" if "not aware" in str(error) else "recursion-round-present"
    if isinstance(error, RoundPendingError):
        codes = {"still running": "round-still-running", "rolled back first": "round-stage"}
        return next((code for text, code in codes.items() if text in str(error)), "round-pending")
    return getattr(error, "code", "other")


def numbered(value, number):
    """Return ops with `{i}` replaced in their ids and texts."""
    if isinstance(value, dict):
        return {key: numbered(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [numbered(item, number) for item in value]
    return value.replace("{i}", str(number)) if isinstance(value, str) else value


def written_databases(ops):
    """Return the names of the databases that a `write` names, main first."""
    names = {op.get("db", "main") for op in every_op(ops) if op["op"] == "write"}
    return [name for name in ("main", "ext") if name in names]


def every_op(ops):
    """Return all ops, also those of updates and callbacks."""
    for op in ops:
        yield op
        yield from every_op(op.get("do", ()))
        yield from every_op(op.get("u", {}).get("do", ()))
