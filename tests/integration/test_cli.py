"""The command line as a person uses it: real OS processes, on a store that another one runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

PATIENCE_S = 100

SHOP = """
    import anyio, msgspec
    from procactors import Interrupt, Process, Sleep, Step

    class Decision(msgspec.Struct):
        approved: bool

    async def work(data, ctx):
        for done in range(data.get("turns", 2)):
            ctx.progress(done, data.get("turns", 2), "turns")
            await anyio.sleep(0.05)
        return data

    async def ask(data):
        return Interrupt(data, schema=Decision)

    async def check(data):
        if not data.get("approved", True):
            raise ValueError("not approved")
        return {**data, "checked": True}

    QUICK = Process("quick", [work, check])
    ASKING = Process("asking", [ask, check])
    SLOW = Process("slow", [Step("work", work, kwargs={}), check], timeout=3600)
    async def place(data):
        return {**data, "placed": True}

    async def take_back(data):
        print(data)

    ORDER = Step("order", place, undo=take_back)
    TRIP = Process("trip", {"order": ORDER, "nap": Sleep(3600), "check": check})
    BRIEF = Process("brief", {"order": place, "nap": Sleep(0.5), "check": check})
    HASTY = Process("hasty", [work], timeout=0.2)
    """

SERVER = """
    import anyio, shop, sys
    from procactors import ProcessManager

    async def main():
        async with ProcessManager("sqlite:///shop.db", name="server"):
            print("ready", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.read)

    anyio.run(main)
    """


class Shell:
    """Runs `procactors` in a folder, with the store named by the environment."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            **os.environ,
            "PROCACTORS_URL": "sqlite:///shop.db",
            "PYTHONPATH": "",
            "COLUMNS": "80",
            "PYTHONUNBUFFERED": "1",
        }

    def begin(self, *words, stdout=subprocess.PIPE, extra=()):
        return subprocess.Popen(
            [sys.executable, "-m", "procactors", *words],
            cwd=self.folder,
            env={**self.environment, **dict(extra)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, program):
        out, err = program.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in err.replace("    Traceback", "")
        return subprocess.CompletedProcess(program.args, program.returncode, out, err)

    def __call__(self, *words):
        return self.end(self.begin(*words))

    def pid_of(self, target, data="{}"):
        """Queue a process, and return its pid."""
        done = self("run", f"shop:{target}", "--detach", "--data", data)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def info(self, pid):
        return json.loads(self("show", pid, "--json").stdout)

    def watch_until(self, pid, event):
        """Follow a process as JSON lines until an event of this type, and return what was seen."""
        seen = []
        with self.begin("watch", pid, "--json") as program:
            for line in program.stdout:
                seen.append(json.loads(line))
                if seen[-1]["type"] == event:
                    break
            program.kill()
        assert seen, "nothing was seen"
        assert seen[-1]["type"] == event
        return seen


def folder_with_shop(folder):
    (folder / "shop.py").write_text(textwrap.dedent(SHOP), "utf-8")
    (folder / "server.py").write_text(textwrap.dedent(SERVER), "utf-8")
    return Shell(folder)


@contextlib.contextmanager
def served(shell):
    """Run a manager in another OS process."""
    command = [sys.executable, "server.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=shell.folder, env=shell.environment, **pipes) as server:
        assert server.stdout.readline() == "ready\n"
        yield server
        server.stdin.close()
        assert server.wait(PATIENCE_S) == 0


@pytest.fixture
def alone(tmp_path):
    """A folder whose store nobody runs."""
    return folder_with_shop(tmp_path)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A folder whose store is run by another OS process."""
    shell = folder_with_shop(tmp_path_factory.mktemp("shop"))
    with served(shell):
        yield shell


# As a client of a store that another program runs.


def test_process_is_started_listed_watched_and_shown(shell):
    pid = shell.pid_of("QUICK", '{"turns": 4}')
    watched = shell("watch", pid)
    assert watched.returncode == 0
    told = [line.split("  ", 1)[1] for line in watched.stdout.splitlines() if " of " not in line]
    assert told == [
        "queued",
        "work started",
        "work finished",
        "check started",
        "check finished",
        "finished",
    ]
    listed = shell("list", "--name", "quick", "--status", "finished")
    assert [pid, "quick", "finished"] == listed.stdout.splitlines()[1].split()[:3]
    for words in (["--search", "QUI"], ["--search", pid[:20]]):
        assert pid in shell("list", *words).stdout
    assert pid not in shell("list", "--parent", pid).stdout
    assert "one of them" in shell("list", "--parent", pid, "--search", "x").stderr
    assert "checked" in shell("show", pid).stdout
    info = shell.info(pid[:16])
    assert (info["pid"], info["status"], info["output"]) == (pid, "finished", {"turns": 4, "checked": True})
    assert info["steps"] == {"work": "completed", "check": "completed"}


def test_watch_draws_on_a_terminal(shell):
    pid = shell.pid_of("QUICK", '{"turns": 8}')
    reader, screen = os.openpty()
    program = shell.begin("watch", pid, stdout=screen, extra={"TERM": "xterm"})
    os.close(screen)
    seen = b""
    with open(reader, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # noqa: PTH123 - a descriptor
        while data := terminal.read(65536):
            seen += data
    assert program.wait(PATIENCE_S) == 0, program.stderr.read()
    program.stderr.close()
    last = seen.decode().rpartition("quick")[2]
    assert "finished" in last
    assert last.count("✓") == 2


def test_interrupted_process_is_answered(shell):
    pid = shell.pid_of("ASKING")
    shell.watch_until(pid, "ProcessInterrupted")
    assert shell("proceed", pid, "--data", '{"approved": true}').returncode == 0
    assert shell("watch", pid).returncode == 0


def test_running_process_is_cancelled(shell):
    pid = shell.pid_of("SLOW", '{"turns": 100000}')
    progress = shell.watch_until(pid, "StepProgressed")[-1]
    assert (progress["step"], progress["total"], progress["text"]) == ("work", 100_000, "turns")
    assert shell("cancel", pid, "--reason", "not now").returncode == 0
    watched = shell("watch", pid)
    assert watched.returncode == 1
    assert watched.stdout.splitlines()[-1].endswith("cancelled: not now")


def test_failed_process_is_tried_again(shell):
    pid = shell.pid_of("QUICK", '{"approved": false}')
    assert shell("watch", pid).returncode == 1
    assert "ValueError: not approved" in shell("show", pid).stdout
    retried = shell("retry", pid)
    assert (retried.returncode, retried.stderr) == (0, f"{pid[:16]} goes on from check\n")
    events = shell.watch_until(pid, "ProcessRetried")
    assert [event["seq"] for event in events if event["type"] != "StepProgressed"] == list(
        range(1, len(events) + 1)
    )


def test_processes_go_back_from_another_program(shell):
    pid = shell.pid_of("QUICK", '{"approved": false}')
    assert shell("watch", pid).returncode == 1
    skipped = shell("skip", pid, "check")
    assert (skipped.returncode, skipped.stderr) == (0, f"{pid[:16]} goes on behind check\n")
    assert shell("watch", pid).returncode == 0
    rewound = shell("rewind", pid, "check")
    assert (rewound.returncode, rewound.stderr) == (0, f"{pid[:16]} goes back to check\n")
    assert shell("watch", pid).returncode == 1
    forked = shell("fork", pid, "check", "--data", '{"approved": true}')
    assert forked.returncode == 0
    assert shell("watch", forked.stdout.strip()).returncode == 0
    assert shell.info(forked.stdout.strip())["output"] == {"approved": True, "checked": True}
    refused = shell("rewind", pid, "nowhere")
    assert refused.returncode == 1
    assert "no step 'nowhere'" in refused.stderr


def test_sleeping_process_is_cancelled_and_undone_from_another_program(shell):
    pid = shell.pid_of("TRIP")
    shell.watch_until(pid, "ProcessSleeping")
    info = shell.info(pid)
    assert (info["status"], info["step"], info["owner"]) == ("sleeping", "nap", None)
    assert shell("cancel", pid, "--reason", "rain").returncode == 0
    watched = shell("watch", pid)
    told = [line.split("  ", 1)[1] for line in watched.stdout.splitlines()]
    assert told[-4:] == [
        "what it has done is undone",
        "undo of order started",
        "undo of order finished",
        "cancelled: rain",
    ]
    assert shell.info(pid)["undone"] == ["order"]


def test_process_sleeps_in_the_manager_of_another_program(shell):
    pid = shell.pid_of("BRIEF")
    assert shell("watch", pid).returncode == 0
    assert shell.info(pid)["output"] == {"placed": True, "checked": True}


def test_manager_of_another_program_is_listed(shell):
    managers = json.loads(shell("managers", "--json").stdout)
    names = [one["name"] for one in managers if one["kind"] == "manager" and one["is_alive"]]
    assert names == ["server"]


def test_reader_that_goes_away_ends_the_command(shell):
    with shell.begin("list", "--json") as program:
        program.stdout.close()
        assert "Traceback" not in program.stderr.read()


def test_output_that_can_not_be_written_is_said_in_one_line(shell):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = shell.end(shell.begin("list", "--json", stdout=full))
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n")


def test_closed_output_is_no_error(shell):
    script = f'exec "$0" -m procactors show {shell.pid_of("QUICK")} >&-'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable],
        cwd=shell.folder,
        env=shell.environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_extra_it_says_what_to_install(tmp_path):
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(name='typer')", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "procactors", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install 'procactors[cli]'")
    assert "Traceback" not in done.stderr


# In the foreground.


def test_run_tells_by_its_exit_code_how_it_went(alone):
    begun = {
        code: alone.begin("run", f"shop:{target}", "--data", data)
        for target, data, code in [("QUICK", "{}", 0), ("HASTY", '{"turns": 100}', 1), ("ASKING", "{}", 3)]
    }
    done = {code: alone.end(program) for code, program in begun.items()}
    assert {code: one.returncode for code, one in done.items()} == {0: 0, 1: 1, 3: 3}
    assert json.loads(done[0].stdout) == {"checked": True}
    assert done[1].stdout == done[3].stdout == ""
    pid = done[3].stderr.split()[0]
    assert f"procactors run shop:ASKING --resume {pid} --data '{{\"approved\": true}}'" in done[3].stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_told_to_stop_keeps_the_process(alone, number):
    program = alone.begin("run", "shop:SLOW", "--data", '{"turns": 40}', "--watch")
    told = []
    while not (told and told[-1].endswith("work started\n")):
        told.append(program.stderr.readline())
        assert told[-1], told
    program.send_signal(number)
    done = alone.end(program)
    assert (done.returncode, done.stdout) == (128 + number, "")
    command = done.stderr.splitlines()[-1].split()
    assert command[:4] == ["procactors", "run", "shop:SLOW", "--resume"]
    resumed = alone(*command[1:])
    assert (resumed.returncode, json.loads(resumed.stdout)["checked"]) == (0, True)


def test_detached_process_waits_for_a_manager(alone):
    done = alone("run", "shop:QUICK", "--detach")
    assert "no manager runs" in done.stderr
    pid = done.stdout.strip()
    assert alone.info(pid)["status"] == "queued"
    with served(alone):
        assert alone("watch", pid).returncode == 0
