"""All about one process."""

from __future__ import annotations

from datetime import timedelta

from procactors import ErrorInfo, ProcessInfo, ProcessStatus, StepStatus
from procactors.cli.details import details
from procactors.model.info import InterruptInfo, Progress
from tests.unit.cli.samples import NOW, console, drawn
from tests.unit.cli.test_listing import info

DB = "sqlite:///shop.db"


def shown(of: ProcessInfo, db=DB, children=()):
    return drawn(details(of, children, NOW, console(), db), soft_wrap=True)


def test_running_process_shows_facts_steps_and_data():
    text = shown(
        info(
            key="k",
            tags=("a", "b"),
            owner="web",
            attempt=2,
            progress=Progress(1, 4, "pages"),
            data={"page": 7},
        )
    )
    for part in (
        "import  0123456789abcdef0123456789abcdef  running",
        "1 min 15 s ago",
        "a, b",
        "owner",
        "attempt 2",
    ):
        assert part in text
    assert "25% 1 of 4 pages" in text
    assert '"page": 7' in text


def test_interrupted_process_shows_how_to_answer():
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    question = InterruptInfo("ask", {"page": 7}, schema, NOW + timedelta(hours=1))
    text = shown(info(status=ProcessStatus.INTERRUPTED, interrupt=question))
    assert "waits for an answer" in text
    assert "procactors proceed 0123456789abcdef --data '{\"ok\": true}' --db sqlite:///shop.db" in text


def test_failed_process_shows_error_causes_and_traceback():
    error = ErrorInfo(
        "OSError",
        "disk full",
        traceback="Traceback:\n  line",
        step="parse",
        attempt=2,
        cause=ErrorInfo("KeyError", "x"),
    )
    steps = {"fetch": StepStatus.COMPLETED, "parse": StepStatus.FAILED}
    text = shown(info(status=ProcessStatus.FAILED, steps=steps, error=error, ended_at=NOW, started_at=NOW))
    for part in (
        "✗ parse failed",
        "OSError: disk full",
        "step parse, attempt 2",
        "because of KeyError: x",
        "  line",
    ):
        assert part in text


def test_process_that_is_undone_shows_how_far():
    steps = dict.fromkeys(("order", "pack", "send"), StepStatus.COMPLETED) | {"bill": StepStatus.FAILED}
    of = info(status=ProcessStatus.UNDOING, steps=steps, undone=("send",), undoing="pack")
    lines = [" ".join(line.split()) for line in shown(of).splitlines()]
    for part in (
        "order completed",
        "pack completed to be undone next",
        "send completed undone",
        "bill failed",
    ):
        assert [line for line in lines if line.endswith(part)], part


def test_finished_process_shows_its_output_instead_of_its_data():
    text = shown(info(status=ProcessStatus.FINISHED, step=None, output={"pages": 3}, data={"pages": 3}))
    assert "output" in text
    assert "\n  data" not in text


def test_long_data_is_cut_and_says_so():
    text = shown(info(data=list(range(500))))
    assert "lines more: use --json" in text
    assert len(text.splitlines()) < 50


def test_data_can_not_write_to_the_terminal():
    assert "\x9b" not in shown(info(data={"\x9b2J": "\x1b[2J[red]"}))


def test_children_are_shown_and_how_to_see_the_others():
    children = [info(name=f"child {n}") for n in range(11)]
    text = shown(info(), children=children)
    assert "  0123456789abcdef  child 0  running" in text
    assert "child 9" in text
    assert "child 10" not in text
    assert "procactors list --parent 0123456789abcdef --db sqlite:///shop.db" in text
    assert "--parent" not in shown(info(), children=children[:10])
    assert "children" not in shown(info())
