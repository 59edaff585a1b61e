"""Actors and messages that the tests of the actor runtime share."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from procactors._clock import Deadline, SystemClock
from procactors.actors import Actor, Backoff, ChildOptions, Message, Request, Restart
from procactors.observe import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = ChildOptions(backoff=Backoff(first_s=0, jitter=False), grace_s=0.01)
"""Restarts at once, and has a grace so short that a test can let it pass."""
ONCE = ChildOptions(restart=Restart.TEMPORARY, grace_s=0.01)


def in_real_time(test):
    """Mark a test in which the loop is never idle, so that virtual time would never go on.

    Something swallows its cancellation, which asyncio repeats without a pause, or blocks the loop.
    """
    test.is_in_real_time = True
    return test


class LoopClock(SystemClock):
    """Goes with the loop, whose time trio's mock clock makes virtual."""

    def monotonic(self) -> Deadline:
        return Deadline(anyio.current_time())


class Note(Message, frozen=True):
    n: int = 0


class Urgent(Message, frozen=True):
    lane: ClassVar[str] = "control"
    n: int = 0


class Newest(Message, frozen=True):
    lane: ClassVar[str] = "signals"
    key: str = ""
    n: int = 0

    def coalesce_key(self):
        return self.key


class Get(Request[list], frozen=True):
    """Reply: what the actor has been told, as the numbers of the notes."""


class Do(Request[Any], frozen=True):
    """Let the actor do something; the reply is what comes of it. Its lane may be left out."""

    action: Any


class DoNow(Do, frozen=True):
    lane: ClassVar[str] = "control"


class Fail(Message, frozen=True):
    error: Any = msgspec.field(default_factory=lambda: ValueError("as told"))


class Sample(Actor[Message]):
    """Keeps what it is told, does what it is asked, and writes its life into a diary."""

    def __init__(self, diary: list | None = None, name: str = "") -> None:
        self.diary = [] if diary is None else diary
        self.label = name
        self.told: list = []
        self.urgent: list = []
        self.reasons: list = []

    async def on_start(self) -> None:
        self.diary.append(f"{self.label} starts".strip())

    async def receive(self, message):
        match message:
            case Get():
                return list(self.told)
            case Do(action):
                return await action(self)
            case Fail(error):
                raise error
        self.told.append(message)
        return None

    def on_urgent(self, message) -> None:
        self.urgent.append(message)

    async def on_stop(self, reason) -> None:
        self.reasons.append(reason)
        self.diary.append(f"{self.label} stops".strip())


class Stubborn(Actor[Message]):
    """Ignores stop and cancellation while it handles a message."""

    async def receive(self, message):
        await ignore_the_end()


async def ignore_the_end() -> None:
    while True:
        with suppress(BaseException):  # that is what it is here for
            await anyio.sleep_forever()


class Heard(Observer):
    """Keeps what an actor system reports."""

    def __init__(self) -> None:
        self.events: list = []

    def dead_letter(self, actor, kind):
        self.events.append(("dead letter", actor, kind))

    def actor_restarted(self, actor, error, delay):
        self.events.append(("restarted", actor, delay))

    def actor_gave_up(self, actor, error):
        self.events.append(("gave up", actor))

    def actor_abandoned(self, actor):
        self.events.append(("abandoned", actor))


class Hold:
    """Work that begins, and goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.over = anyio.Event()

    async def __call__(self, actor=None):
        self.begun.set()
        await self.over.wait()
        return "held"


async def happens(event: anyio.Event) -> None:
    """Wait for an event that has to come, and not for ever if it does not."""
    with anyio.fail_after(60):
        await event.wait()


async def until(fact: Callable[[], object]) -> None:
    """Give others their turns until something is so; for facts that need no time to pass."""
    for _ in range(10_000):
        if fact():
            return
        await checkpoint()
    message = f"this never came to be: {fact}"
    raise AssertionError(message)


async def turns(number: int = 20) -> None:
    """Give others some turns: to see that something does not happen."""
    for _ in range(number):
        await checkpoint()


def running_tasks():
    """Return id and name of each task, but for those of the test runner."""
    tasks = {task for task in anyio.get_running_tasks() if "TestRunner" not in task.coro.__qualname__}
    return {task.id: task.name for task in tasks}.items()
