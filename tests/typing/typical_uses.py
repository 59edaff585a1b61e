"""What users write, as the type checker has to see it. Checked by `mypy --strict`, never run.

`assert_type` states what a name is; a `type: ignore` that is not needed fails the check, so each of those
below states that the checker refuses what stands there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, assert_never, assert_type

import msgspec
from litestar import Litestar
from starlette.applications import Starlette
from starlette.middleware import Middleware

from procactors import (
    EventStream,
    Interrupt,
    ManagerOptions,
    Process,
    ProcessEvent,
    ProcessFailed,
    ProcessFailedError,
    ProcessFinished,
    ProcessHandle,
    ProcessInfo,
    ProcessManager,
    ProcessStatus,
    Retry,
    Step,
    StepContext,
    StepFinished,
    StepStatus,
    run_steps,
    step,
)
from procactors.actors import Actor, ActorRef, ActorSystem, ChildOptions, Exit, Message, Request, Restart
from procactors.deferred import DeferredUpdates, Report, Stage, defer, deferred_scope
from procactors.errors import ErrorInfo
from procactors.testing import CrashReport, VirtualClock, crash_test, manager
from procactors.web import DeferredMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# Definitions.


class Page(msgspec.Struct):
    title: str
    links: list[str] = []


class Decision(msgspec.Struct):
    approved: bool


@step
async def fetch(data: dict[str, Any], ctx: StepContext) -> Page:
    ctx.progress(1, total=2, text="pages")
    ctx.heartbeat()
    assert_type(ctx.pid, str)
    assert_type(ctx.attempt, int)
    assert_type(ctx.idempotency_key, str)
    return Page(data["title"])


@step(name="shop.review")
def review(page: Page) -> Interrupt:
    return Interrupt(page, schema=Decision, timeout=60, on_timeout=Decision(approved=False))


class Store:
    def __init__(self, folder: str, *, db: object) -> None:
        self.folder, self.db = folder, db

    async def execute(self, data: Any) -> dict[str, bool]:
        return {"stored": bool(data)}


IMPORT = Process(
    "import",
    {
        "fetch": Step("fetch", fetch, timeout=30, retry=Retry(attempts=5, on=("OSError",))),
        "review": review,
        "store": Step("store", Store, args=("/srv",), services=["db"]),
    },
    timeout=None,
)
LISTED = Process("listed", [fetch, review, Step("store", "shop.steps:store")])
READ = Process.from_spec({"name": "read", "steps": {"fetch": "shop.steps:fetch"}})


def definitions_are_typed() -> None:
    _: Callable[[dict[str, Any], StepContext], Coroutine[Any, Any, Page]] = fetch
    assert_type(IMPORT.steps["fetch"], Step)
    assert_type(IMPORT.to_spec(), dict[str, Any])
    assert_type(READ, Process)
    Process("no steps")  # type: ignore[call-arg]
    Step("s", fetch, timeout="30")  # type: ignore[arg-type]
    Retry(attempts=2.5)  # type: ignore[arg-type]


# The manager.


async def a_manager_is_embedded(db: object) -> None:
    options = ManagerOptions(grace_s=2)
    async with ProcessManager("sqlite:///app.db", services={"db": db}, options=options) as manager:
        assert_type(manager, ProcessManager)
        handle = await manager.start(IMPORT, {"title": "Main"}, key="main", tags=["wiki"], delay=1.5)
        assert_type(handle, ProcessHandle)
        assert_type(handle.pid, str)
        assert_type(await handle.result(timeout=30), Any)
        assert_type(await manager.proceed(handle.pid, Decision(approved=True)), str)
        assert_type(await handle.cancel(reason="enough"), bool)
        assert_type(await manager.list([ProcessStatus.FAILED, "timed_out"], limit=5), list[ProcessInfo])
        assert_type(await manager.start(IMPORT, key="k", on_conflict="replace"), ProcessHandle)
        skipped = await manager.start(IMPORT, key="k", on_conflict="skip")
        assert_type(skipped, ProcessHandle | None)
        skipped.pid  # type: ignore[union-attr] # noqa: B018 - the key may be taken
        await manager.start(IMPORT, on_conflict="ignore")  # type: ignore[call-overload]
        await manager.start(fetch)  # type: ignore[call-overload]
        manager.subscribe(after="1")  # type: ignore[arg-type]


async def infos_are_read(handle: ProcessHandle) -> None:
    info = await handle.info()
    assert_type(info, ProcessInfo)
    assert_type(info.status, ProcessStatus)
    assert_type(info.steps, dict[str, StepStatus])
    assert_type(info.error, ErrorInfo | None)
    if info.interrupt is not None:
        assert_type(info.interrupt.schema, dict[str, Any] | None)
    info.status = ProcessStatus.FAILED  # type: ignore[misc] # frozen


async def events_are_matched(handle: ProcessHandle) -> None:
    async with handle.subscribe(after=3) as events:
        assert_type(events, EventStream)
        async for event in events:
            assert_type(event, ProcessEvent)
            match event:
                case StepFinished(step=name, attempt=attempt):
                    assert_type(name, str)
                    assert_type(attempt, int)
                case ProcessFinished(output=output):
                    assert_type(output, Any)
                case ProcessFailed(error=error):
                    assert_type(error, ErrorInfo)
                case _:
                    assert_type(event.seq, int)


async def errors_carry_fields(handle: ProcessHandle) -> None:
    try:
        await handle.result()
    except ProcessFailedError as failed:
        assert_type(failed.pid, str | None)
        assert_type(failed.step, str | None)
        assert_type(failed.error, ErrorInfo | None)


async def steps_run_in_place() -> None:
    assert_type(await run_steps([fetch, review], {"title": "Main"}), Any)
    assert_type(await run_steps({"fetch": fetch}, services={"db": None}), Any)


# Actors.


class Deposit(Message, frozen=True):
    lane: ClassVar[str] = "control"
    amount: int


class Balance(Request[int], frozen=True):
    pass


class Account(Actor[Deposit | Balance]):
    def __init__(self, balance: int = 0) -> None:
        self.balance = balance

    async def receive(self, message: Deposit | Balance) -> int | None:
        match message:
            case Deposit(amount):
                self.balance += amount
                return None
            case Balance():
                return self.balance
        assert_never(message)


async def actors_are_told_and_asked() -> None:
    async with ActorSystem() as system:
        account = await system.start(Account, name="account")
        assert_type(account, ActorRef[Deposit | Balance])
        account.tell(Deposit(100))
        assert_type(await account.ask(Balance(), timeout=1), int)
        account.tell("100")  # type: ignore[arg-type]
        bank = await system.supervise("bank")
        await bank.start(lambda: Account(5), options=ChildOptions(restart=Restart.TEMPORARY))
        account.stop("closed")
        assert_type(await account.stopped(), Exit)


# Deferred updates.


def note(title: str, times: int) -> None: ...


async def updates_are_deferred(db: object) -> None:
    async with deferred_scope() as updates:
        assert_type(updates, DeferredUpdates)
        defer(note, "Main", 3, stage=Stage.PRESEND, key="Main", cancel_on_rollback=[db])
        assert_type(updates.pending_count(), int)
        assert_type(await updates.run(Stage.ALL), Report)


async def step_that_defers(data: dict[str, int], ctx: StepContext) -> dict[str, int]:
    ctx.defer(note, "Main", 3, stage=Stage.PRESEND)
    return data


def requests_defer(m: ProcessManager) -> None:
    app = Starlette(middleware=[Middleware(DeferredMiddleware, manager=m, drain_s=5)])
    app.add_middleware(DeferredMiddleware)
    assert_type(DeferredMiddleware(app, manager=m, drain_s=0.5), DeferredMiddleware)
    DeferredMiddleware(Litestar([]))


# The test kit.


async def processes_are_tested() -> None:
    async with manager([IMPORT], clock=VirtualClock()) as m:
        handle = await m.start(IMPORT)
        await m.clock.advance("14d")
        assert_type(handle, ProcessHandle)
    assert_type(await crash_test(IMPORT, answers={"review": {"approved": True}}), CrashReport)
