"""OS processes that run steps in a simulation: the pool's own, on a leash, by which they take turns."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path

import msgspec

from procactors.executors.os_process import OsProcess
from procactors.executors.process_pool import ProcessPool
from procactors.executors.worker import Worker
from tests.simulation.in_child import address
from tests.simulation.turns import STUCK_S, Party

_CREDENTIALS = struct.Struct("3i")


class Leashes:
    """Where children get onto their leashes."""

    def __init__(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address(os.getpid()))
        self._listener.listen(100)
        self._held = {}

    def fileno(self):
        return self._listener.fileno()

    def of(self, pid):
        """Return the leash of an OS process, once; None: it has not got onto one yet."""
        while select.select([self], [], [], 0)[0]:
            end, _ = self._listener.accept()
            credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            self._held[_CREDENTIALS.unpack(credentials)[0]] = Leash(end)
        return self._held.pop(pid, None)

    def close(self):
        for end in (self._listener, *self._held.values()):
            end.close()


class Leash:
    """This end of one."""

    def __init__(self, end):
        self._end = end
        self._file = end.makefile("rb", buffering=0)

    def fileno(self):
        return self._end.fileno()

    def read(self):
        """Return what the child says; None: it has let go of it."""
        with suppress(ConnectionError):
            if line := self._file.readline():
                return msgspec.json.decode(line)
        return None

    def answer(self, what=None):
        """Let the child do what it has said."""
        with suppress(ConnectionError):
            self._end.sendall(msgspec.json.encode(what) + b"\n")

    def close(self):
        self._file.close()
        self._end.close()


class LeashedPool(ProcessPool):
    """The workers of one manager; `children` are those that it has ever had, in the order of their starts."""

    def __init__(self, clock, options, leashes, witness):
        super().__init__(clock, options)
        self.clock = clock
        self.leashes = leashes
        self.witness = witness
        self.children = []

    def _start(self, launch):
        worker = LeashedWorker(launch, asyncio.get_running_loop(), self._gone, self)
        self.children.append(worker.child)
        return worker

    def cut_lifelines(self):
        """Let happen to the workers what happens when their manager is killed."""
        for worker in self._workers:
            worker.child.cut_lifeline()


class LeashedWorker(Worker):
    """A worker that is heard only in its turn."""

    def __init__(self, launch, loop, on_exit, pool):
        super().__init__(launch, loop, on_exit)
        for source in (self._end, self.process._pidfd, self.process._stderr):
            loop.remove_reader(source)
        self.child = Child(pool, self)
        self.process.signal = self.child.signal

    async def run(self, order, run):
        """Let it take turns meanwhile."""
        self.child.begin()
        outcome = await super().run(order, run)
        self.child.end()
        return outcome

    def retire(self, patience_s):
        """Let it take turns until it is gone."""
        super().retire(patience_s)
        self.child.expect_death()

    def _exited(self, ending):
        self.child.die()
        super()._exited(ending)


class Child(Party):
    """One OS process.

    Attributes:
        state: "idle"; "works" from its order on; "leaves" when it has said how its step ends; "dies" when
            nothing else is to be expected; "is killed" when nothing that it may still say counts.
        run: The step that it runs; None: none.
    """

    def __init__(self, pool, worker):
        super().__init__(pool.clock)
        self._leashes = pool.leashes
        self._witness = pool.witness
        self._worker = worker
        self._process = worker.process
        self._leash = None
        self._is_deaf = False
        self._is_to_be_stopped = False
        self._says_more = True
        self.state = "idle"
        self.run = None

    # What the worker says.

    def begin(self):
        """Work: an order is on its way."""
        self.state, self._is_deaf, self.run = "works", False, Run(self._witness)
        self.clock.wake(self)

    def end(self):
        """Be idle: what came of the order is known."""
        self._let_run_go()
        if self.state == "leaves":
            self.state = "idle"
            self.clock.forget(self)

    def expect_death(self, state="dies"):
        """Take turns until it is gone, whatever it was about to do."""
        self.state = state
        self.rouse()

    def die(self):
        """Take no more turns."""
        self.clock.forget(self)
        self._let_run_go()

    def _let_run_go(self):
        if self._leash is not None:
            self._leash.close()
            self._leash = None
        if self.run is not None:
            self.run.close()
            self.run = None

    # What others do to it.

    def signal(self, what):
        """Get a signal; one that it may heed arrives only while it sleeps, or waits for its turn."""
        if self._process.is_over:
            return
        if self.run is not None:
            self.run.is_abandoned = True
        if what is signal.SIGKILL:
            OsProcess.signal(self._process, what)
            self.expect_death("is killed")
        elif self.state == "idle" or self.is_asleep:
            self._stop()
        elif self.state in {"works", "leaves"}:
            self._is_to_be_stopped = True

    @property
    def may_be_shot(self):
        """Whether it is known what it does: nothing."""
        return not self._process.is_over and (self.state == "idle" or self.is_asleep)

    def shoot(self):
        """Be killed by a stranger; of one that is idle it is noticed only when it is wanted."""
        os.killpg(self._process.pid, signal.SIGKILL)
        if self.is_asleep:
            self.run.how = "SIGKILL"
            self.expect_death("is killed")

    def cut_lifeline(self):
        """Be killed by the kernel, as its manager is gone."""
        if not self._process.is_over:
            with Path(os.devnull).open("rb") as nothing:
                os.dup2(nothing.fileno(), self._worker._lifeline, inheritable=False)
            self.expect_death("is killed")

    def _stop(self):
        self._is_to_be_stopped = False
        OsProcess.signal(self._process, signal.SIGTERM)
        if not self._is_deaf:
            self.expect_death()

    # Its turns.

    def wait(self):
        while True:
            if self._leash is None:
                self._leash = self._leashes.of(self._process.pid)
            ready = self._ready()
            if self._leash is not None and self._leash.fileno() in ready:
                said = self._leash.read()
                if said is not None:
                    self._take_in()
                    return lambda: self._hear(said)
                self._leash.close()
                self._leash = None
            elif self._worker._end.fileno() in ready and self._is_on_wire():
                return self._take_outcome
            elif self._process._pidfd in ready:
                return self._process._exited

    def _ready(self):
        """Return those of its file descriptors, of which it matters, that say something."""
        fds = [self._process._pidfd]
        if self.state != "is killed":
            fds.append((self._leash or self._leashes).fileno())
        if self.state == "leaves" and self._says_more:
            fds.append(self._worker._end.fileno())
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        ready = poll.poll(STUCK_S * 1000)
        if not ready:
            raise RuntimeError(f"OS process {self._process.pid} is stuck: it {self.state}")
        return {fd for fd, _ in ready}

    def _is_on_wire(self):
        try:
            self._says_more = bool(self._worker._end.recv(1, socket.MSG_PEEK))
        except ConnectionError:
            self._says_more = False
        return self._says_more

    def _take_in(self):
        """Let be heard what it has said to its worker before."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._worker._readable)
        loop.call_soon(self._process._hear)

    def _take_outcome(self):
        self._worker._readable()
        if self._worker._outcome is None:  # it was cut short
            self.state = "idle"
            self.clock.forget(self)
            if self._is_to_be_stopped:
                self._stop()

    def _hear(self, said):
        self._is_deaf = said.get("is_deaf", self._is_deaf)
        if self._is_to_be_stopped:
            self._stop()
            if self.state == "dies":
                return
        match said["kind"]:
            case "begin":
                self._leash.answer(self.run.begin(said))
            case "sleep":
                self.sleep(said["seconds"], self._leash.answer)
            case "cling":
                self.state = "works"
                self.sleep(said["seconds"], self._leash.answer)
            case "over":
                self.state = "leaves"
                self.run.say(said)
                self._leash.answer()


class Run:
    """One run of a step in a child."""

    def __init__(self, witness):
        self._witness = witness
        self._body = None
        self.is_abandoned = False
        self.how = None

    def begin(self, said):
        """Return the number of this run of the step."""
        if self.is_abandoned:
            return 0
        self._body = self._witness.begin(said["pid"], said["step"], said["attempt"], said["data"], self)
        return self._body.number

    def say(self, said):
        """Hear how it is going to end."""
        self.how = said["how"]
        if self._body is not None and "output" in said:
            self._body.output = said["output"]

    def close(self):
        """Be over."""
        if self._body is not None:
            self._witness.end(self._body)
