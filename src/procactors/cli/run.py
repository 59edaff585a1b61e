"""`procactors run`: one process in the foreground, with a manager in this program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.cli.answering import db_words, example
from procactors.cli.arguments import pid_given
from procactors.cli.console import complain, note, stderr, write_result
from procactors.cli.failure import FAILED, FINISHED, INTERRUPTED
from procactors.cli.signals import StoppedError, until_stopped
from procactors.cli.target import modules_of
from procactors.cli.track import Track
from procactors.cli.watch import follow, watch
from procactors.cli.wording import command, pretty_json, short
from procactors.manager import ProcessManager
from procactors.model.definition import Process
from procactors.model.status import ProcessStatus

if TYPE_CHECKING:
    from procactors.handle import ProcessHandle


class Order(msgspec.Struct, frozen=True):
    """What is to be run.

    Attributes:
        target: How the definition was named on the command line.
        process: The definition.
        data: Input of the first step, or with `resume` the answer to the open question; None: none.
        key: The process's key, if it is to have one.
        resume: Pid of a process to go on with, instead of starting one.
        watch: Show its steps.
        url: The store.
        db: The --db of command lines to copy; "" for none.
    """

    target: str
    process: Process
    data: Any = None
    key: str | None = None
    resume: str | None = None
    watch: bool = False
    url: str = ""
    db: str = ""


class Foreground:
    """Runs one process here and now, and tells how it went by an exit code."""

    def __init__(self, order: Order) -> None:
        """Take the order; `run` carries it out."""
        self._order = order
        self._manager = ProcessManager(order.url, modules=modules_of(order.process))
        self._console = stderr()
        self._pid = ""

    async def run(self) -> int:
        """Run the process until it ends or stands still; return the exit code.

        The output is written to stdout as JSON, everything else to stderr.

        Cancellation: closes the manager; the process is kept.
        """
        try:
            track = await until_stopped(self._run, self._announce_stop)
        except StoppedError as stopped:
            if self._pid:
                note(f"{short(self._pid)} is kept and has lost nothing; to go on:")
                note(f"  {self._command_to_resume()}")
            return stopped.exit_code
        return self._exit_code(track)

    async def _run(self) -> Track:
        async with self._manager as manager:
            handle = await (self._resume() if self._order.resume else self._start())
            self._pid = handle.pid
            if self._order.watch:
                return await watch(manager, handle.pid, self._console, waits=False)
            track = Track()
            await follow(manager, handle.pid, track, lambda _: None, waits=False)
            return track

    async def _start(self) -> ProcessHandle:
        process, data, key = self._order.process, self._order.data, self._order.key
        handle = await self._manager.start(process, data, key=key, on_conflict="skip")
        if handle is not None:
            note(f"{short(handle.pid)} started", self._console)
            return handle
        handle = await self._manager.start(process, data, key=key)
        status = (await handle.info()).status
        note(f"{short(handle.pid)} has the key {key!r} and is {status}: going on with it", self._console)
        return handle

    async def _resume(self) -> ProcessHandle:
        handle = self._manager.handle(await pid_given(self._manager, self._order.resume or ""))
        info = await handle.info()
        if info.status is ProcessStatus.INTERRUPTED and self._order.data is not None:
            await handle.proceed(self._order.data)
        elif info.status in {ProcessStatus.FAILED, ProcessStatus.TIMED_OUT}:
            await handle.retry()
        note(f"{short(handle.pid)} was {info.status}: going on with it", self._console)
        return handle

    def _announce_stop(self) -> None:
        note("stopping: the running step gets up to 10 s to end (Ctrl-C again: none)", self._console)

    def _exit_code(self, track: Track) -> int:
        if track.status is ProcessStatus.FINISHED:
            write_result(pretty_json(track.output))
            return FINISHED
        if track.status is ProcessStatus.INTERRUPTED:
            assert track.question is not None
            note(f"{short(self._pid)} is interrupted after {track.question.step}: it waits for an answer")
            note(f"  {self._command_to_resume(example(track.question.schema))}")
            return INTERRUPTED
        complain(f"{short(self._pid)} {_end(track)}")
        if track.status is not ProcessStatus.CANCELLED:
            note(f"to go on from there, once that is fixed: {self._command_to_resume()}")
        return FAILED

    def _command_to_resume(self, answer: Any = None) -> str:
        words = ["run", self._order.target, "--resume", short(self._pid)]
        if answer is not None:
            words += ["--data", json.dumps(answer)]
        return command(*words, *db_words(self._order.db))


def _end(track: Track) -> str:
    """Return how a process ended that did not finish: "failed in step parse (attempt 2): OSError: ..."."""
    verb = track.status.replace("_", " ")
    error, reason = track.error, track.state.reason if track.state else ""
    if error is None:
        return f"was {verb}: {reason}" if reason else f"was {verb}"
    where = f" in step {error.step} (attempt {error.attempt})" if error.step else ""
    return f"{verb}{where}: {error}"
