"""An OS process under test: it says what it does, the test waits for such a fact, and kills it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT = Path(__file__).parents[2]
PATIENCE_S = 100


class Victim:
    """A program that runs, and what it has noted so far: lists of words, the time first."""

    def __init__(self, process, name):
        self.process = process
        self.name = name
        self.lines = []
        self.log = ""
        self._is_over = False
        self._more = anyio.Event()

    @property
    def os_pid(self):
        return self.process.pid

    def noted(self, *words):
        """Return the lines that begin with these words."""
        return [line for line in self.lines if line[1 : len(words) + 1] == list(words)]

    async def wrote(self, *words, times=1):
        """Wait until it has noted this so many times; return the last such line."""
        while len(found := self.noted(*words)) < times:
            assert not self._is_over, f"{self.name} ended before it noted {words} {times} times\n{self.log}"
            await self._more.wait()
        return found[times - 1]

    async def kill(self, how=signal.SIGKILL):
        """Kill it, and come back when it is dead and all that it noted is here."""
        self.process.send_signal(how)
        return await self.ended()

    async def ended(self):
        """Wait for its end; return its exit code."""
        code = await self.process.wait()
        while not self._is_over:
            await self._more.wait()
        return code

    async def read_notes(self):
        stream = BufferedByteReceiveStream(self.process.stdout)
        while not self._is_over:
            try:
                line = await stream.receive_until(b"\n", 65_536)
            except (anyio.EndOfStream, anyio.IncompleteRead):
                self._is_over = True
            else:
                self.lines.append(line.decode().split())
            more, self._more = self._more, anyio.Event()
            more.set()

    async def read_log(self):
        async for chunk in self.process.stderr:
            self.log += chunk.decode("utf-8", "replace")


@asynccontextmanager
async def running(module, *arguments, patience_s=PATIENCE_S):
    """Run `python -m module arguments`; dead at the end of the block, whatever happens in it."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with anyio.fail_after(patience_s):
        async with await anyio.open_process(command, cwd=ROOT, env=environment) as process:
            victim = Victim(process, module)
            async with anyio.create_task_group() as readers:
                readers.start_soon(victim.read_notes)
                readers.start_soon(victim.read_log)
                try:
                    yield victim
                finally:
                    if process.returncode is None:
                        process.kill()
