"""The demo as a person uses it: killed, run again, asked at the prompt, answered from elsewhere."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections import Counter

import httpx
import pytest

from procactors import ProcessManager
from procactors.cli.demo.page import HOST, PORT
from procactors.model.event import StepFinished
from tests.unit.cli.demo.samples import fill

PATIENCE_S = 60
KILLS = 6

AT_A_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, '-m', 'procactors', *sys.argv[1:]])"
)


class World:
    """A folder to look into, and a folder for results."""

    def __init__(self, base):
        self.folder = base / "in"
        self.out = base / "out"
        self.url = f"sqlite:///{self.out}/demo.db"
        self.folder.mkdir()
        self.environment = {**os.environ, "TERM": "xterm", "PYTHONUNBUFFERED": "1"}
        self.environment.pop("PROCACTORS_URL", None)
        self.words = ["demo", "--path", str(self.folder), "--out", str(self.out)]

    def begin(self, *words):
        command = [sys.executable, "-m", "procactors", *(words or self.words)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, env=self.environment, text=True, **pipes)

    def run(self, *words):
        program = self.begin(*words)
        text, _ = program.communicate(timeout=PATIENCE_S)
        assert program.returncode == 0, text
        return text

    @contextlib.contextmanager
    def terminal(self):
        """Run the demo at a terminal of its own."""
        keys, screen = os.openpty()
        command = [sys.executable, "-c", AT_A_TERMINAL, *self.words]
        with subprocess.Popen(
            command, env=self.environment, stdin=screen, stdout=screen, stderr=screen, start_new_session=True
        ) as program:
            os.close(screen)
            try:
                yield Terminal(program, keys)
            finally:
                program.kill()
                os.close(keys)

    async def processes(self):
        """Return each process's info and its events."""
        async with ProcessManager(self.url, run=False) as client:
            found = []
            for info in await client.list():
                async with client.subscribe(info.pid) as events:
                    found.append((info, [event async for event in events]))
            return found


class Terminal:
    """What a person sees and types."""

    def __init__(self, program, descriptor):
        self.program = program
        self.seen = ""
        self._descriptor = descriptor

    def read_until(self, text):
        """Read until this is seen (None: to the end)."""
        deadline = time.monotonic() + PATIENCE_S
        while text is None or text not in self.seen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} was never seen in {self.seen}"
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # the other side was closed
                data = b""
            if not data:
                assert text is None, self.seen
                return
            self.seen += data.decode(errors="replace")

    def watch(self, seconds):
        """Read for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._descriptor], [], [], left)[0]:
                self.seen += os.read(self._descriptor, 65536).decode(errors="replace")

    def type(self, text):
        os.write(self._descriptor, text.encode())

    def end(self):
        self.read_until(None)
        return self.program.wait(PATIENCE_S)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def assert_every_step_finished_once(processes):
    assert sorted(info.name for info, _ in processes) == [
        "demo.archive",
        "demo.count",
        "demo.duplicates",
        "demo.report",
    ]
    for info, events in processes:
        finished = Counter(event.step for event in events if isinstance(event, StepFinished))
        assert finished == dict.fromkeys(info.steps, 1), info.name


async def test_folder_of_odd_content_is_worked_on_and_a_second_run_is_a_new_round(world):
    found = fill(world.folder)
    for number in range(200):
        (world.folder / f"{number}.txt").write_text(f"number {number}\n", "utf-8")
    text = world.run()
    assert "Starting round 1" in text
    report = world.out / "round-1" / "report.md"
    assert text.splitlines()[-1] == f"Report: {report}"
    assert f"| files | {found + 200} |" in report.read_text("utf-8")
    assert_every_step_finished_once(await world.processes())
    assert "Starting round 2" in world.run()
    assert (world.out / "round-2" / "report.md").exists()


async def test_demo_that_is_killed_at_any_moment_goes_on_where_it_was(world):
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - to get the same run again
    rng = random.Random(seed)
    contents = fill_with_sources(world.folder, rng)
    for number in range(KILLS):
        with world.terminal() as terminal:  # where it waits for an answer, and so is never over
            if not number or rng.random() < 0.7:
                terminal.read_until("round 1")
            terminal.watch(rng.uniform(0.1, 2))
            assert terminal.program.poll() is None, terminal.seen
    assert "Resuming round 1" in world.run()
    assert_every_step_finished_once(await world.processes())
    assert_results_are_right(world, contents)


def fill_with_sources(folder, rng):
    """Write so much Python that there is time to be killed, and return all contents by name."""
    names = [f"name_{number}" for number in range(300)]
    contents = {}
    for number in range(500):
        lines = [f"{rng.choice(names)} = [{', '.join(rng.choices(names, k=12))}]" for _ in range(60)]
        contents[f"package_{number % 20}/{number}.py"] = ("\n".join(lines) + "\n").encode()
    contents["package_0/copy.py"] = contents["package_0/0.py"]
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return contents


def assert_results_are_right(world, contents):
    results = world.out / "round-1"
    report = (results / "report.md").read_text("utf-8")
    for line in (
        f"| files | {len(contents)} |",
        f"| lines | {len(contents) * 60:,} |",
        "| not valid Python | 0 |",
    ):
        assert line in report
    assert "1 group of files with equal content" in report
    (path,) = results.glob("archive.tar.*[!t]")
    with tarfile.open(path) as archive:
        assert {member.name: archive.extractfile(member).read() for member in archive} == contents
    assert not list(results.rglob("*.draft"))
    with contextlib.closing(sqlite3.connect(world.out / "demo.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(("key", "result"), [("y", "verified"), ("n", "not wanted")])
def test_question_is_answered_at_the_prompt(world, key, result):
    fill(world.folder)
    with world.terminal() as terminal:
        terminal.read_until("press y or n")
        terminal.type(key)
        assert terminal.end() == 0
    assert result in terminal.seen
    assert str(world.out / "round-1" / "report.md") in terminal.seen.replace("\r\n", "")
    assert terminal.seen.count("\x1b[?25h") >= terminal.seen.count("\x1b[?25l"), "the cursor is hidden"


def test_question_is_answered_from_another_terminal(world):
    fill(world.folder)
    with world.terminal() as terminal:
        terminal.read_until("press y or n")
        pid = terminal.seen.partition("procactors proceed ")[2].split()[0]
        world.run("proceed", pid, "--data", '{"approved": true, "method": "gz"}', "--db", world.url)
        assert terminal.end() == 0
    assert (world.out / "round-1" / "archive.tar.gz").exists()


def test_demo_whose_reader_goes_away_ends_without_a_word(world):
    fill(world.folder)
    program = subprocess.Popen(
        [sys.executable, "-m", "procactors", *world.words],
        env=world.environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with program:
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == ""
        assert program.wait(PATIENCE_S) == 1


# Its page.


def address_in(text):
    return re.search(r"  page     (http://127\.0\.0\.1:\d+)/", text)[1]


def test_question_is_answered_on_the_page(world):
    fill(world.folder)
    with world.terminal() as terminal:
        terminal.read_until("press y or n")
        with httpx.Client(base_url=address_in(terminal.seen), timeout=PATIENCE_S) as client:
            assert "demo.archive" in client.get("/").text
            (asking,) = client.get("/api/processes?status=interrupted").json()
            path = f"/api/processes/{asking['pid']}"
            assert client.post(f"{path}/fork", json={"step": "pack"}).status_code == 403
            assert client.get(path, headers={"host": "evil.test"}).status_code == 400
            answer = {"data": {"approved": True, "method": "gz"}}
            assert client.post(f"{path}/proceed", json=answer).status_code == 200
        assert terminal.end() == 0
    assert (world.out / "round-1" / "archive.tar.gz").exists()


def test_page_that_somebody_looks_at_holds_no_stop_back(world):
    fill(world.folder)
    with world.terminal() as terminal:
        terminal.read_until("press y or n")
        address = address_in(terminal.seen)
        with (
            httpx.Client(timeout=PATIENCE_S) as client,
            client.stream("GET", f"{address}/api/events") as stream,
        ):
            lines = stream.iter_lines()
            assert next(lines).startswith("retry:")
            terminal.type("\x03")
            for _ in lines:
                pass
        assert terminal.end() == 130
    assert "Traceback" not in terminal.seen


def test_page_is_elsewhere_if_its_port_is_taken(world):
    fill(world.folder)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # if it is taken already, so much the better
            stack.enter_context(socket.create_server((HOST, PORT)))
        text = world.run()
    assert not address_in(text).endswith(f":{PORT}")


def test_page_is_left_out_if_it_is_not_wanted(world):
    fill(world.folder)
    assert "http://" not in world.run(*world.words, "--no-web")


def test_demo_that_is_stopped_says_how_to_go_on(world):
    fill(world.folder)
    with world.terminal() as terminal:
        terminal.read_until("press y or n")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "it goes on where it was" in terminal.seen
    assert "Resuming round 1" in world.run()
