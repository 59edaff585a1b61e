"""The commands, called in this process; tests/integration has them as OS processes."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import anyio
import pytest
from typer.testing import CliRunner

from procactors import ProcessManager, ProcessStatus
from procactors.cli.app import app

SHOP = "tests.unit.cli.shop"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call a command; its store is a file that is not there yet."""
    monkeypatch.setenv("PROCACTORS_URL", f"sqlite:///{tmp_path}/shop.db")
    monkeypatch.setenv("COLUMNS", "80")
    runner = CliRunner()

    def call(*words):
        done = runner.invoke(app, words)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


@pytest.fixture
def failed(call):
    """Return the pid of a failed process."""
    assert call("run", f"{SHOP}:REFUSING").exit_code == 1
    return only_pid(call)


def only_pid(call):
    (info,) = json.loads(call("list", "--json").stdout)
    return info["pid"]


def queued(call, target="QUICK"):
    done = call("run", f"{SHOP}:{target}", "--detach")
    assert done.exit_code == 0
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["show", "0" * 32], 1, "there is no process"),
        (["show", "12"], 2, "is not a pid"),
        (["watch", "0" * 32], 1, "there is no process"),
        (["cancel", "0" * 32], 1, "there is no process"),
        (["retry", "0" * 32], 1, "there is no process"),
        (["proceed", "0" * 32], 1, "there is no process"),
        (["proceed", "0" * 32, "--data", '{"a": }'], 2, "line 1, column 7"),
        (["list", "--db", "sqlite:///gone.db"], 2, "there is no file gone.db"),
        (["list", "--db", ""], 2, "PROCACTORS_URL"),
        (["list", "--status", "lost"], 2, "there is no status 'lost'"),
        (["run", "gone.json"], 2, "there is no file gone.json"),
        (["run", f"{SHOP}:work"], 2, f"{SHOP}:work"),
        (["run", f"{SHOP}:QUICK", "--data", "NaN"], 2, "not a finite number"),
        (["run", f"{SHOP}:QUICK", "--detach", "--watch"], 2, "--detach"),
        (["run", f"{SHOP}:QUICK", "--resume", "0" * 32, "--key", "k"], 2, "--resume"),
        (["run", f"{SHOP}:QUICK", "--resume", "0" * 32], 1, "there is no process"),
        (["demo", "--path", "/gone"], 2, "/gone can't be looked into"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(call, words, code, says):
    queued(call)
    done = call(*words)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr


@pytest.mark.parametrize("words", [["show"], ["list", "--limit", "0"], ["gone"], ["list", "--gone"]])
def test_wrong_usage_is_exit_code_two(call, words):
    done = call(*words)
    assert done.exit_code == 2
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "run",
        "list",
        "show",
        "watch",
        "proceed",
        "cancel",
        "retry",
        "skip",
        "rewind",
        "fork",
        "counts",
        "managers",
        "pause",
        "resume",
        "drain",
        "queues",
    ],
)
def test_every_command_takes_a_store_and_fits_eighty_columns(call, command):
    done = call(command, "--help")
    assert done.exit_code == 0
    assert "--db URL" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    summaries = call("--help").stdout.partition("Commands:")[2]
    assert f"  {command} " in summaries
    assert "..." not in summaries


def test_store_of_a_newer_version_is_refused(call, tmp_path):
    queued(call)
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        (table,) = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%schema%'").fetchone()
        connection.execute(f"UPDATE {table} SET version = version + 1000")
        connection.commit()
    done = call("list")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "upgrade procactors" in done.stderr


def test_file_that_is_no_store_is_refused(call, tmp_path):
    (tmp_path / "shop.db").write_text("this is no database" * 100, "utf-8")
    done = call("list")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "not a usable SQLite database" in done.stderr


def test_version_is_printed(call):
    assert call("--version").stdout.startswith("procactors 0")


def test_finished_run_prints_its_output_and_nothing_else(call):
    done = call("run", f"{SHOP}:QUICK", "--data", '{"page": 7}')
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"page": 7})


def test_run_takes_a_spec_and_tells_of_its_steps(call, tmp_path):
    spec = {"name": "spec", "steps": {"one": f"{SHOP}:work", "two": {"call": f"{SHOP}:check"}}}
    (tmp_path / "spec.json").write_text(json.dumps(spec), "utf-8")
    done = call("run", f"{tmp_path}/spec.json", "--watch", "--data", '{"page": 7}')
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"page": 7})
    assert "two finished" in done.stderr


def test_interrupted_run_says_how_to_answer_and_is_answered(call):
    done = call("run", f"{SHOP}:ASKING")
    pid = done.stderr.split()[0]
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"procactors run {SHOP}:ASKING --resume {pid} --data '{{\"approved\": true}}'" in done.stderr
    assert f"procactors proceed {pid} --data '{{\"approved\": true}}'" in call("show", pid).stdout
    assert call("run", f"{SHOP}:ASKING", "--resume", pid).exit_code == 3
    refused = call("run", f"{SHOP}:ASKING", "--resume", pid, "--data", '{"approved": "perhaps"}')
    assert (refused.exit_code, "Expected `bool`" in refused.stderr) == (2, True)
    done = call("run", f"{SHOP}:ASKING", "--resume", pid, "--data", '{"approved": true}')
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"approved": True})


def test_answer_that_does_not_fit_is_refused_and_the_question_stays(call):
    assert call("run", f"{SHOP}:ASKING").exit_code == 3
    refused = call("proceed", only_pid(call), "--data", "{}")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert json.loads(call("show", only_pid(call), "--json").stdout)["status"] == "interrupted"
    assert call("proceed", only_pid(call), "--data", '{"approved": true}').exit_code == 0
    again = call("proceed", only_pid(call), "--data", '{"approved": true}')
    assert (again.exit_code, "not interrupted" in again.stderr) == (1, True)


def test_failed_run_is_tried_again_by_resuming_it(call, failed):
    again = call("run", f"{SHOP}:REFUSING", "--resume", failed)
    assert again.exit_code == 1
    assert "failed in step refuse (attempt 2): ValueError: not today" in again.stderr


def test_failed_process_is_queued_again_by_retry(call, failed):
    done = call("retry", failed)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, f"{failed[:16]} goes on from refuse")
    assert "no manager runs" in done.stderr
    assert call("retry", failed).exit_code == 1


def test_process_is_cancelled_once(call):
    pid = queued(call)
    assert call("cancel", pid, "--reason", "not now").exit_code == 0
    assert "not now" in call("show", pid).stdout
    over = call("cancel", pid)
    assert (over.exit_code, over.stderr) == (1, f"Error: {pid[:16]} is over: it is cancelled\n")


def test_watch_of_an_ended_process_tells_its_history(call, failed):
    done = call("watch", failed)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].endswith("failed: ValueError: not today")
    events = [json.loads(line) for line in call("watch", failed, "--json").stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_key_starts_once(call):
    first = call("run", f"{SHOP}:ASKING", "--key", "k")
    second = call("run", f"{SHOP}:ASKING", "--key", "k")
    assert (first.exit_code, second.exit_code) == (3, 3)
    assert "has the key 'k' and is interrupted" in second.stderr
    only_pid(call)


def test_list_is_filtered_and_limited(call):
    pids = [queued(call), queued(call, "ASKING"), queued(call)]
    call("cancel", pids[0])
    listed = json.loads(call("list", "--json").stdout)
    assert [info["pid"] for info in listed] == pids[::-1]
    assert pids[1] in call("list", "--name", "asking", "--status", "queued,running").stdout
    assert len(call("list", "--limit", "1").stdout.splitlines()) == 2
    nothing = call("list", "--status", "failed")
    assert (nothing.exit_code, nothing.stdout) == (0, "")


def test_json_of_a_process_has_the_fields_of_its_info(call, tmp_path):
    pid = queued(call)

    async def read():
        async with ProcessManager(f"sqlite:///{tmp_path}/shop.db", run=False) as client:
            return await client.info(pid)

    info = anyio.run(read)
    shown = json.loads(call("show", pid[:16], "--json").stdout)
    assert set(shown) == set(info.__struct_fields__)
    assert (shown["pid"], shown["status"], shown["seq"]) == (pid, ProcessStatus.QUEUED, 1)


def test_counts_are_of_each_status(call, failed):
    assert json.loads(call("counts", "--json").stdout)["failed"] == 1
    assert call("counts").stdout.split() == ["failed", "1"]


def test_nobody_but_this_command_is_on_the_store(call):
    queued(call)
    done = call("managers")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no managers on this store\n")
    assert json.loads(call("managers", "--json").stdout) == []


def test_a_queue_is_paused_resumed_and_drained(call):
    queued(call)
    name = json.loads(call("list", "--json").stdout)[0]["name"]
    assert call("pause", name).exit_code == 0
    total, queue = json.loads(call("queues", "--json").stdout)
    assert (total["name"], total["is_paused"], queue["name"], queue["is_paused"]) == (None, False, name, True)
    assert "paused" in call("queues").stdout
    assert call("resume", name).exit_code == 0
    assert not json.loads(call("queues", "--json").stdout)[1]["is_paused"]
    assert "nothing runs" in call("drain", "--timeout", "5").stderr
    assert json.loads(call("queues", "--json").stdout)[0]["is_paused"]
    assert call("resume").exit_code == 0
