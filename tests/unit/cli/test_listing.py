"""Tables."""

from __future__ import annotations

from datetime import timedelta

from procactors import ProcessInfo, ProcessStatus, StepStatus
from procactors.cli import listing
from procactors.model.info import Progress
from procactors.stores import Identity, Member
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


def test_managers_have_a_line_each():
    members = [
        Member(1, Identity("web", "manager", "host", os_pid=7), NOW.timestamp() - 60, NOW.timestamp() + 5),
        Member(2, Identity("old", "manager", "host", os_pid=8), NOW.timestamp() - 60, NOW.timestamp() - 5),
    ]
    lines = drawn(listing.managers(members, Identity("", "client"), NOW.timestamp())).splitlines()
    assert lines[1].split() == ["web", "manager", "host", "7", "1", "min", "0", "s", "alive"]
    assert lines[2].split()[-1] == "gone"


def test_counts_leave_out_what_there_is_none_of():
    counted = {ProcessStatus.FINISHED: 1200, ProcessStatus.FAILED: 0, ProcessStatus.RUNNING: 3}
    assert [line.split() for line in drawn(listing.counts(counted)).splitlines()] == [
        ["running", "3"],
        ["finished", "1,200"],
    ]
