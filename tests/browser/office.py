"""An office on an ordinary morning, in a few seconds: what the screenshots show."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Literal

import anyio
import msgspec
from anyio.from_thread import start_blocking_portal

from procactors import Interrupt, ManagerOptions, Process, ProcessManager, Retry, Sleep, Step
from procactors._clock import SystemClock
from procactors.web import allow_all, process_app
from tests.integration.served import served

HOURS, MINUTES = 3600, 60
OPTIONS = ManagerOptions(
    lease_s=30 * 24 * HOURS, grace_s=0.1, progress_every_s=0.01, keep_ended_s=30 * 24 * HOURS
)


class Morning(SystemClock):
    """A clock that is put forward as the story goes on."""

    def __init__(self):
        self.behind_s = 0.0

    def wall(self):
        return super().wall() - self.behind_s

    def at(self, ago_s):
        """Make it so long ago."""
        self.behind_s = ago_s

    def take(self, seconds):
        """Let a step have taken so long."""
        self.behind_s -= seconds


class Decision(msgspec.Struct):
    """What the person in charge says."""

    approved: bool
    discount: Literal["none", "5 %", "10 %"] = "none"
    comment: str = ""


class Work:
    """A step that takes so many seconds, and adds so much to the data."""

    def __init__(self, seconds, *, clock, **output):
        self.seconds = seconds
        self.clock = clock
        self.output = output

    async def execute(self, data):
        self.clock.take(self.seconds)
        return {**data, **self.output}


def taking(name, seconds, **output):
    """Return such a step."""
    return Step(name, Work, args=[seconds], kwargs=output, services=["clock"])


async def fetch_pages(data, ctx, *, clock):
    """Get as far as the picture shows."""
    clock.take(2 * MINUTES)
    ctx.progress(2_431, 3_800, "pages")
    await anyio.sleep_forever()


async def render_invoices(data, ctx, *, clock):
    """Get as far as the picture shows."""
    clock.take(20)
    ctx.progress(data["done"], data["invoices"], "invoices")
    if data["done"] < data["invoices"]:
        await anyio.sleep_forever()
    return data


async def review(data):
    question = {"customer": data["customer"], "amount": data["amount"], "risk": "low", "pages": 14}
    return Interrupt(question, schema=Decision, timeout=3 * 24 * HOURS, on_timeout={"approved": False})


async def upload(data, *, clock):
    """Fail as networks do."""
    clock.take(31)
    try:
        wait_for_answer()
    except TimeoutError as error:
        raise ConnectionError("can't upload backup-2026-11-26.tar.zst (2.1 GiB)") from error


def wait_for_answer():
    raise TimeoutError("no answer from backup.example within 30 s")


async def welcome(data, ctx, *, clock):
    """Do several things at once, each a process."""
    clock.take(2)
    await ctx.gather((ACCOUNT, data, "account"), (MAIL, data, "mail"), (TRAINING, data, "training"))


IMPORT = Process(
    "wiki-import",
    [
        taking("login", 1.2),
        taking("list pages", 24, pages=3_800),
        Step("fetch", fetch_pages, services=["clock"]),
        taking("parse", 60),
        taking("store", 12),
    ],
    timeout=2 * HOURS,
)
INVOICES = Process(
    "invoice-run",
    [
        taking("collect", 8),
        Step("render", render_invoices, services=["clock"]),
        taking("send", 44, sent=True),
    ],
    timeout=HOURS,
)
CONTRACT = Process(
    "contract",
    [
        taking("draft", 38, document="contracts/8841.pdf"),
        taking("check terms", 95, terms="standard"),
        Step("review", review),
        taking("sign", 4),
        taking("archive", 2),
    ],
    timeout=24 * HOURS,
)
BACKUP = Process(
    "nightly-backup",
    [
        taking("dump", 210, bytes=9_240_118_272),
        taking("compress", 340, file="backup-2026-11-26.tar.zst"),
        Step("upload", upload, services=["clock"], retry=Retry(3, delay=0.01, jitter=False)),
        taking("verify", 60),
    ],
    timeout=6 * HOURS,
)
ACCOUNT = Process("create-account", [taking("create", 3, account="ada")])
MAIL = Process("send-mail", [taking("send", 1, sent=True)])
TRAINING = Process("book-training", [taking("book", 5), Step("confirm", review)])
ONBOARDING = Process(
    "onboarding", [taking("greet", 2), Step("welcome", welcome, services=["clock"])], timeout=HOURS
)
REPORT = Process(
    "monthly-report", [taking("gather", 70, rows=18_204), taking("render", 33, file="2026-10.pdf")]
)
REMINDER = Process("reminder", [taking("note", 1), Sleep(2 * 24 * HOURS), taking("remind", 1)], timeout=HOURS)

CUSTOMERS = [
    "Abbot & Sons",
    "Bakery Linden",
    "Harbour Trust",
    "Nordlicht AG",
    "Studio Okapi",
    "Vine Street Clinic",
]


class Story:
    """Makes it happen, the oldest first."""

    def __init__(self, manager, clock):
        self.pids = {}
        self._manager = manager
        self._clock = clock
        self._chance = Random(7)

    async def tell(self):
        await self._tell_of_the_night()
        await self._tell_of_contracts()
        await self._tell_of_this_hour()
        self._clock.at(2)
        await self._manager.pause("monthly-report")
        await self._manager.start(REPORT, {"month": "2026-11"}, tags=["finance"])
        self._clock.at(0)

    async def _tell_of_the_night(self):
        for hours in (30, 26, 22, 18, 14, 9, 7):
            invoices = 40 * hours
            process = REPORT if hours % 4 else INVOICES
            await self._run(hours * HOURS, process, {"invoices": invoices, "done": invoices})
        self.pids["failed"] = await self._run(5.4 * HOURS, BACKUP, {"host": "db-1"}, until="failed")

    async def _tell_of_contracts(self):
        for number, customer in enumerate(CUSTOMERS):
            data = {"customer": customer, "amount": 1_250 * (number + 2)}
            pid = await self._run((4 - number / 2) * HOURS, CONTRACT, data, until="interrupted")
            if number < 4:
                await self._manager.proceed(pid, {"approved": number != 1})
                await self._reach(pid, "finished")
            self.pids["interrupted"] = pid

    async def _tell_of_this_hour(self):
        cancelled = await self._run(58 * MINUTES, IMPORT, {"wiki": "old.example"}, until="progress")
        self._clock.at(50 * MINUTES)
        await self._manager.cancel(cancelled, reason="the wrong wiki")
        await self._reach(cancelled, "cancelled")
        await self._run(47 * MINUTES, REMINDER, {"customer": "Harbour Trust"}, until="sleeping")
        for minutes in (41, 33, 29, 21):
            await self._run(minutes * MINUTES, REPORT, {"month": "2026-10"})
        ada = {"customer": "Ada", "amount": 0}
        self.pids["parent"] = await self._run(16 * MINUTES, ONBOARDING, ada, until="waiting")
        await self._run(9 * MINUTES, INVOICES, {"invoices": 640, "done": 512}, until="progress")
        self.pids["running"] = await self._run(
            3 * MINUTES, IMPORT, {"wiki": "wiki.example"}, until="progress"
        )
        await self._run(40, INVOICES, {"invoices": 95, "done": 17}, until="progress")

    async def _run(self, ago_s, process, data, until="finished"):
        self._clock.at(ago_s + self._chance.randrange(min(300, int(ago_s / 2))))
        handle = await self._manager.start(process, data)
        await self._reach(handle.pid, until)
        return handle.pid

    async def _reach(self, pid, until):
        with anyio.fail_after(30):
            async with self._manager.subscribe(pid) as events:
                while not await self._is(pid, until):
                    await anext(events)

    async def _is(self, pid, until):
        info = await self._manager.info(pid)
        return info.progress is not None if until == "progress" else info.status == until


@contextmanager
def office():
    """Serve the office; yield its address and the pids that have a name."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_office()) as parts:
        yield parts


@asynccontextmanager
async def _office():
    clock = Morning()
    services = {"clock": clock}
    async with ProcessManager(
        "memory://", services=services, clock=clock, options=OPTIONS, name="worker-1"
    ) as manager:
        story = Story(manager, clock)
        await story.tell()
        offered = [one for one in globals().values() if isinstance(one, Process)]
        async with served(process_app(manager, authorize=allow_all, processes=offered)) as port:
            yield f"http://127.0.0.1:{port}", story.pids
