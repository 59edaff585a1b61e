"""Runs what a page types into a shell, and compares what comes out with what the page shows.

A block of Python whose first line is a comment such as `# shop.py` is that file. In a block of ```console
each line after `$ ` is typed, in one folder for each page; the lines below it are what it answers, on both
streams. Pids, times and the width of gaps may differ; a pid that the page types stands for the one that was
shown in its place. A line `...` stands for any lines.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = re.compile(r"# ([\w.-]+\.\w+)\n")
_PID = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b")
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"\d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\b[\d.]+ (?:s|ms|min|h|d)\b(?: \d+ (?:s|min)\b)?"), "DURATION"),
    (_PID, "PID"),
    (re.compile(r"\s+"), " "),
)
_SHORT_PID = 16
_PATIENCE_S = 120


class Session:
    """The shell of one page: a folder, an environment, and the pids that it has seen."""

    def __init__(self) -> None:
        """Begin in an empty folder."""
        self._folder = tempfile.TemporaryDirectory(prefix="page-")
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        self._environment = {**os.environ, "PATH": path, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
        self._environment.pop("PROCACTORS_URL", None)
        self._pids: dict[str, str] = {}

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def keep_file(self, source: str) -> bool:
        """Write a block that is a file; False if it is none."""
        named = _FILE.match(source)
        if named is not None:
            Path(self._folder.name, named[1]).write_text(source, "utf-8")
        return named is not None

    def check(self, block: str) -> str | None:
        """Type what a block types; return what is wrong with its answers, or None."""
        for command, expected in _exchanges(block):
            got = self._run(command)
            if not self._matches(expected, got.splitlines()):
                return f"$ {command}\nanswered\n{got}\nbut the page says\n" + "\n".join(expected)
        return None

    def _run(self, command: str) -> str:
        command = _PID.sub(
            lambda found: self._pids.get(found[0][:_SHORT_PID], found[0])[: len(found[0])], command
        )
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self._environment[name] = value
            return ""
        done = subprocess.run(  # noqa: S602 - our own pages
            command,
            shell=True,
            cwd=self._folder.name,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        says_so = done.stdout.endswith("Killed\n")  # a shell that runs the program as its child does
        return done.stdout if says_so or done.returncode != -signal.SIGKILL else f"{done.stdout}Killed\n"

    def _matches(self, expected: list[str], got: list[str]) -> bool:
        pattern = "".join(
            r"(?:.*\n)*?" if line == "..." else re.escape(_plain(line)) + r"\n" for line in expected
        )
        if not re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in got)):
            return False
        if "..." not in expected:
            for said, seen in zip(
                _PID.findall("\n".join(expected)), _PID.findall("\n".join(got)), strict=True
            ):
                known = self._pids.get(said[:_SHORT_PID], "")
                self._pids[said[:_SHORT_PID]] = max(known, seen, key=len)
        return True


def _exchanges(block: str) -> Iterator[tuple[str, list[str]]]:
    """Return each command of a block with the lines that it answers."""
    command, answer = "", list[str]()
    for line in block.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            if command:
                yield command, answer
            command, answer = line.removeprefix("$ "), []
        else:
            answer.append(line)
    yield command, answer


def _plain(line: str) -> str:
    for pattern, stands_for in _VARYING:
        line = pattern.sub(stands_for, line)
    return line.strip()
