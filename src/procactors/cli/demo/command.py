"""`procactors demo`: runs a round of processes, shows it, asks the person, and says where the report is."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import msgspec
from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from procactors.cli.answering import command_to_answer
from procactors.cli.console import complain, is_live, note, stdout
from procactors.cli.demo.board import asked, board, question, standing, summary
from procactors.cli.demo.page import page
from procactors.cli.demo.report import Report
from procactors.cli.demo.rounds import PARTS, next_round
from procactors.cli.failure import FAILED, FINISHED
from procactors.cli.keyboard import has_person, yes_or_no
from procactors.cli.screen import Screen
from procactors.cli.sentence import Teller
from procactors.cli.signals import StoppedError, until_stopped
from procactors.cli.track import Track
from procactors.cli.watch import follow, now
from procactors.cli.wording import short
from procactors.errors import NotInterruptedError
from procactors.manager import ProcessManager
from procactors.model.status import ProcessStatus
from procactors.options import ManagerOptions

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from rich.console import RenderableType

    from procactors.cli.demo.places import Places
    from procactors.cli.demo.rounds import Round
    from procactors.handle import ProcessHandle
    from procactors.model.event import ProcessEvent

_OPTIONS = ManagerOptions(
    grace_s=2,  # its steps can all be run again
    crash_limit=1000,  # it is there to be killed
    keep_ended_s=30 * 86_400,
)


class Demo:
    """One call of the command."""

    def __init__(self, places: Places, *, says_yes: bool, has_page: bool = True) -> None:
        """Prepare; `run` does it.

        Args:
            places: Where to read and write.
            says_yes: Answer the question without asking.
            has_page: Show the processes in a browser too.
        """
        self._places = places
        self._has_page = has_page
        self._manager = ProcessManager(places.url, options=_OPTIONS)
        self._asks_person = not says_yes and has_person()
        self._console = stdout()
        self._is_live = is_live(self._console)
        self._tracks = {name: Track() for name in (*PARTS, "report")}
        self._tellers = {name: Teller() for name in self._tracks}
        self._began_at = now()
        self._is_stopping = False
        self._asking: dict[str, anyio.CancelScope] = {}

    async def run(self) -> int:
        """Run a round to its end; return the exit code.

        Cancellation: closes the manager; the next call goes on.
        """
        logging.getLogger("procactors").setLevel(logging.ERROR)  # a stop leaves threads behind, as expected
        try:
            await until_stopped(self._run, self._announce_stop)
        except StoppedError as stopped:
            note("Stopped. Run the same command again: it goes on where it was.", self._console)
            return stopped.exit_code
        return self._conclude()

    async def _run(self) -> None:
        async with self._manager as manager, page(manager, is_wanted=self._has_page) as address:
            places = self._places
            round_ = await next_round(manager, places.folder, places.out, places.left_out)
            self._introduce(round_, address)
            parts = await round_.start()
            if not self._is_live:
                await self._follow_all(round_, parts)
                return
            with Screen(self._console, self._picture) as screen:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(screen.keep_drawing)
                    await self._follow_all(round_, parts)
                    tasks.cancel_scope.cancel()

    async def _follow_all(self, round_: Round, parts: dict[str, ProcessHandle]) -> None:
        """See the parts through, then the report on their outputs."""
        async with anyio.create_task_group() as tasks:
            for name, handle in parts.items():
                tasks.start_soon(self._follow, name, handle.pid, tasks)
        outputs = {
            name: self._tracks[name].output
            for name in parts
            if self._tracks[name].status is ProcessStatus.FINISHED
        }
        report = await round_.start_report(outputs)
        async with anyio.create_task_group() as tasks:
            await self._follow("report", report.pid, tasks)

    async def _follow(self, name: str, pid: str, tasks: TaskGroup) -> None:
        track = self._tracks[name]

        def hear(event: ProcessEvent) -> None:
            self._say(name, event)
            if track.question is not None:
                tasks.start_soon(self._answer, name)
            elif name in self._asking:
                self._asking.pop(name).cancel()  # somebody else was faster

        await follow(self._manager, pid, track, hear)

    # The question.

    async def _answer(self, name: str) -> None:
        """Answer the open question, unless somebody else does so first."""
        track = self._tracks[name]
        with anyio.CancelScope() as self._asking[name]:
            if track.question is None:
                return  # that was in the past
            approves = await self._ask(track) if self._asks_person else True
            with suppress(NotInterruptedError):
                await self._manager.proceed(track.pid, {"approved": approves})

    async def _ask(self, track: Track) -> bool:
        assert track.question is not None
        self._line(Text("  To answer the question of archive from another terminal:", "dim"))
        self._line(
            Text(f"  {command_to_answer(track.pid, track.question.schema, self._places.url)}\n", "dim")
        )
        if not self._is_live:
            self._line(asked(question(track.question.data)))
        return await yes_or_no()

    # What the person sees.

    def _introduce(self, round_: Round, address: str) -> None:
        again = "Resuming" if round_.found else "Starting"
        self._line(Text.assemble((f"{again} round {round_.number}", "bold"), f" over {round_.job.folder}"))
        self._line(f"  store    {self._places.url}")
        self._line(f"  results  {round_.job.out}")
        if self._has_page:
            self._line(f"  page     {address}")
        for name, info in round_.found.items():
            self._line(Text(f"  {name:<12}{standing(info)}", "dim"))
        self._line("")

    def _say(self, name: str, event: ProcessEvent) -> None:
        """Tell of a new event in a line, where there is no picture."""
        if (
            not self._is_live
            and event.at >= self._began_at
            and (line := self._tellers[name].tell(event)) is not None
        ):
            when, _, what = line.partition("  ")
            self._line(f"{when}  {name:<12}{what}")

    def _picture(self) -> RenderableType:
        parts: list[RenderableType] = [board(self._tracks, now(), self._console)]
        if self._asks_person:
            questions = (track.question for track in self._tracks.values())
            parts += [
                Padding(asked(question(one.data)), (1, 0, 0, 0)) for one in questions if one is not None
            ]
        if not (self._is_stopping or self._tracks["report"].status.is_ended):
            hint = f"  Kill it at any moment, even with kill -9 {os.getpid()}, and run it again: it goes on."
            parts += ["", Text(hint, "dim")]
        return Group(*parts)

    def _announce_stop(self) -> None:
        self._is_stopping = True
        self._line("Stopping: running steps get 2 s to end (Ctrl-C again: none).")

    def _conclude(self) -> int:
        for name, track in self._tracks.items():
            if track.status is not ProcessStatus.FINISHED:
                complain(f"{name} {short(track.pid)} {track.status}: {track.error or 'no reason was given'}")
            elif not self._is_live:
                self._line(f"{name:<12}{summary(name, track.output)}")
        report = self._tracks["report"]
        if report.status is ProcessStatus.FINISHED:
            self._line(
                Text.assemble("\nReport: ", (msgspec.convert(report.output, Report).path, "bold green"))
            )
        is_whole = all(track.status is ProcessStatus.FINISHED for track in self._tracks.values())
        return FINISHED if is_whole else FAILED

    def _line(self, text: str | Text) -> None:
        note(text, self._console)
