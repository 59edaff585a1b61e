"""Tables."""

from __future__ import annotations

from datetime import timedelta

from procactors import ManagerInfo, ProcessInfo, ProcessStatus, RunningProcess, StepStatus
from procactors.cli import listing
from procactors.model.info import Progress
from tests.unit.cli.samples import NOW, drawn


def info(**fields):
    defaults = {
        "pid": "0123456789abcdef" * 2,
        "name": "import",
        "status": ProcessStatus.RUNNING,
        "steps": {"fetch": StepStatus.COMPLETED, "parse": StepStatus.RUNNING, "store": StepStatus.PENDING},
        "step": "parse",
        "created_at": NOW - timedelta(seconds=75),
        "seq": 3,
    }
    return ProcessInfo(**{**defaults, **fields})


def table(*infos, whole_pids=False, width=80):
    return drawn(listing.processes(infos, NOW, whole_pids=whole_pids), width=width).splitlines()


def test_process_has_a_line():
    running = info(progress=Progress(61, 100))
    assert table(running) == [
        "PID               NAME    STATUS   STEP                  AGE",
        "0123456789abcdef  import  running  1/3 parse 61%  1 min 15 s",
    ]


def test_finished_process_has_no_step():
    line = table(info(status=ProcessStatus.FINISHED, step=None))[1]
    assert line.split() == ["0123456789abcdef", "import", "finished", "1", "min", "15", "s"]


def test_long_names_are_cut_so_that_the_table_fits():
    lines = table(info(name="n" * 200, step="s" * 200, steps={"s" * 200: StepStatus.RUNNING}))
    assert all(len(line) <= 80 for line in lines)
    assert "…" in lines[1]


def test_pids_may_be_whole():
    assert "0123456789abcdef" * 2 in table(info(), whole_pids=True)[1]


def a_manager(name, **more):
    since = NOW - timedelta(seconds=60)
    facts = {"kind": "manager", "host": "host", "os_pid": 7, "registered_at": since, "is_alive": True}
    return ManagerInfo(name=name, **facts | more)


def test_managers_have_a_line_each():
    members = [a_manager("web", running=3), a_manager("old", is_alive=False)]
    lines = drawn(listing.managers(members, NOW)).splitlines()
    assert lines[1].split() == ["web", "manager", "host", "7", "1", "min", "0", "s", "3", "alive"]
    assert lines[2].split()[-2:] == ["0", "gone"]


def test_what_managers_run_has_a_line_for_each_process_as_far_as_was_asked():
    processes = tuple(RunningProcess(f"{n}" * 32, "import", ProcessStatus.RUNNING) for n in range(2))
    members = [a_manager("idle"), a_manager("web", running=70, processes=processes)]
    lines = [line.split() for line in drawn(listing.in_hand(members, whole_pids=False)).splitlines()]
    assert lines[1] == ["web", "0" * 16, "import", "running"]
    assert lines[3] == ["web", "and", "68", "more"]
    assert drawn(listing.in_hand(members, whole_pids=True)).splitlines()[2].split()[1] == "1" * 32


def test_counts_leave_out_what_there_is_none_of():
    counted = {ProcessStatus.FINISHED: 1200, ProcessStatus.FAILED: 0, ProcessStatus.RUNNING: 3}
    assert [line.split() for line in drawn(listing.counts(counted)).splitlines()] == [
        ["running", "3"],
        ["finished", "1,200"],
    ]
