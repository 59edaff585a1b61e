"""A manager on a SQLite file and a real uvicorn that serves its pages, in a thread beside the test's own."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.from_thread import start_blocking_portal

from procactors import ManagerOptions, ProcessManager
from procactors.web import allow_all, process_app
from tests.browser.paper import ALL
from tests.integration.served import served

PATIENCE_S = 60


class Timed:
    """Notes what each request to an application costs, in seconds of this program's processors."""

    def __init__(self, app):
        self.costs = []
        self._app = app

    async def __call__(self, scope, receive, send):
        began = time.process_time()
        await self._app(scope, receive, send)
        self.costs.append(time.process_time() - began)


class Site:
    """What a test does to the processes, while it looks at them in the browser."""

    def __init__(self, portal, manager, turns, costs, address):
        self.address = address
        self.costs = costs
        self._portal = portal
        self._manager = manager
        self._turns = turns

    def start(self, process, data=None, **options):
        """Start a process; return its pid."""
        return self._portal.call(self._start, process, data, options)

    def reach(self, pid, *statuses):
        """Wait until a process has one of these statuses."""
        return self._portal.call(self._reach, pid, statuses)

    def started(self, process, status, data=None):
        """Start a process, and wait until it has a status; return its pid."""
        pid = self.start(process, data)
        self.reach(pid, status)
        return pid

    def info(self, pid):
        """Return all about a process."""
        return self._portal.call(self._manager.info, pid)

    def proceed(self, pid, answer):
        """Answer a process's question, as somebody else."""
        self._portal.call(self._manager.proceed, pid, answer)

    def rewind(self, pid, step):
        """Rewind a process, as somebody else does."""
        self._portal.call(self._manager.rewind, pid, step)

    def give_turns(self, count):
        """Let the steps that lay out pages do so many more."""
        for _ in range(count):
            self._portal.call(self._turns.put_nowait, None)

    async def _start(self, process, data, options):
        return (await self._manager.start(process, data, **options)).pid

    async def _reach(self, pid, statuses):
        with anyio.fail_after(PATIENCE_S):
            async with self._manager.subscribe(pid) as events:
                info = await self._manager.info(pid)
                while info.status not in statuses:
                    await anext(events)
                    info = await self._manager.info(pid)
        return info


@contextmanager
def site(url, authorize=allow_all):
    """Run a manager on the store, and serve its pages."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_site(url, authorize)) as parts:
        yield Site(portal, *parts)


@asynccontextmanager
async def _site(url, authorize):
    turns = asyncio.Queue()
    options = ManagerOptions(grace_s=0.1, progress_every_s=0.01)
    async with ProcessManager(url, services={"turns": turns}, options=options) as manager:
        app = Timed(process_app(manager, authorize=authorize, processes=ALL))
        async with served(app) as port:
            yield manager, turns, app.costs, f"http://127.0.0.1:{port}"
