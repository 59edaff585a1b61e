from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from procactors import Interrupt, ManagerOptions, Process, ProcessFailedError, Retry, Step
from procactors.otel import StepFilter, Telemetry, add_step
from procactors.stores import open_store
from procactors.testing import VirtualClock, manager
from tests.unit.traced_steps import tells_its_trace, tells_its_trace_async

DASHBOARD = Path(__file__).parents[2] / "docs" / "observability" / "grafana.json"


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Collector:
    """A collector in memory, and one telemetry that sends to it."""

    def __init__(self, sampler=None):
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(sampler, shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = self.another()

    def another(self):
        return Telemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def span(self, name):
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    @property
    def metrics(self):
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: {tuple(sorted(point.attributes.items())): point for point in metric.data.data_points}
            for scope in data.resource_metrics[0].scope_metrics
            for metric in scope.metrics
        }

    def point(self, metric, **attributes):
        return self.metrics[metric][tuple(sorted(attributes.items()))]


@pytest.fixture
def collector():
    return Collector()


@pytest.fixture
async def m(collector):
    services = {"tracer": collector.tracers.get_tracer("shop")}
    async with manager(observer=collector.telemetry, services=services) as m:
        collector.telemetry.watch(m)
        yield m


async def works(data, ctx):
    await anyio.sleep(2)
    return data


async def fails(data):
    raise ValueError("no good")


async def fails_once(data, ctx):
    if ctx.attempt == 1:
        raise OSError("not yet")
    return data


async def asks(data):
    return Interrupt({"ok?": True})


async def hangs(data):
    await anyio.sleep_forever()


def parent_of(span):
    return None if span.parent is None else span.parent.span_id


# Spans.


async def test_an_attempt_is_below_its_step_and_that_below_the_process(m, collector):
    handle = await m.start(Process("import", {"fetch": works, "store": works}))
    await handle.result()
    process, step, attempt = (collector.span(name) for name in ("import", "fetch", "fetch #1"))
    assert parent_of(process) is None
    assert parent_of(step) == process.context.span_id
    assert parent_of(attempt) == step.context.span_id
    assert {span.context.trace_id for span in collector.spans} == {process.context.trace_id}
    assert dict(attempt.attributes) == {
        "procactors.pid": handle.pid,
        "procactors.process": "import",
        "procactors.owner": m.name,
        "procactors.step": "fetch",
        "procactors.attempt": 1,
    }
    assert process.attributes["procactors.status"] == "finished"


async def test_spans_last_as_long_as_what_they_are_about(m, collector):
    await (await m.start(Process("import", {"fetch": works, "store": works}))).result()
    lasted = {span.name: (span.end_time - span.start_time) / 1e9 for span in collector.spans}
    assert lasted == pytest.approx(
        {"fetch #1": 2, "fetch": 2, "store #1": 2, "store": 2, "import": 4}, abs=0.01
    )


async def test_a_failure_is_seen_in_attempt_step_and_process(m, collector):
    handle = await m.start(Process("p", [fails]))
    with pytest.raises(ProcessFailedError):
        await handle.result()
    for name in ("p", "fails", "fails #1"):
        span = collector.span(name)
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description == "ValueError: no good"
        (exception,) = span.events
        assert exception.attributes["exception.type"] == "ValueError"
        assert "no good" in exception.attributes["exception.stacktrace"]


async def test_attempts_are_below_one_step_which_ends_with_the_last(m, collector):
    process = Process("p", {"a": Step("a", fails_once, retry=Retry(attempts=2, delay=0.1, jitter=False))})
    await (await m.start(process)).result()
    step, first, second = (collector.span(name) for name in ("a", "a #1", "a #2"))
    assert parent_of(first) == parent_of(second) == step.context.span_id
    assert first.status.status_code is trace.StatusCode.ERROR
    assert (step.start_time, step.end_time) == (first.start_time, second.end_time)
    assert step.status.status_code is second.status.status_code is trace.StatusCode.UNSET


async def test_what_a_time_out_cuts_short_ends_with_an_error(m, collector):
    handle = await m.start(Process("p", [hangs], timeout=5))
    await m.clock.advance(10)
    assert (await handle.info()).status == "timed_out"
    for name in ("p", "hangs", "hangs #1"):
        assert collector.span(name).status.status_code is trace.StatusCode.ERROR
        assert (collector.span(name).end_time - collector.span(name).start_time) / 1e9 == pytest.approx(
            5, abs=0.1
        )


async def test_an_undo_is_a_step_of_its_own(m, collector):
    process = Process("p", {"a": Step("a", works, undo=works), "b": fails})
    with pytest.raises(ProcessFailedError):
        await (await m.start(process)).result()
    undo, attempt = collector.span("undo a"), collector.span("undo a #1")
    assert parent_of(undo) == collector.span("p").context.span_id
    assert parent_of(attempt) == undo.context.span_id


async def test_a_cancel_is_no_error(m, collector):
    handle = await m.start(Process("p", [asks]))
    await m.clock.advance(1)
    await handle.cancel()
    assert collector.span("p").status.status_code is trace.StatusCode.UNSET
    assert collector.span("p").attributes["procactors.status"] == "cancelled"


async def queries(data, ctx):
    with ctx.services["tracer"].start_as_current_span("query"):
        return data


def reads(data, ctx):
    with ctx.services["tracer"].start_as_current_span("read"):
        return data


async def test_what_a_step_traces_is_below_its_attempt_also_in_a_thread(m, collector):
    await (await m.start(Process("p", [queries, reads]))).result()
    assert parent_of(collector.span("query")) == collector.span("queries #1").context.span_id
    assert parent_of(collector.span("read")) == collector.span("reads #1").context.span_id


# The trace of who started it.


class NotesTraces(logging.Handler):
    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(trace.get_current_span().get_span_context().trace_id)


@pytest.mark.parametrize("call", [tells_its_trace, tells_its_trace_async])
async def test_what_a_step_traces_in_a_worker_process_is_below_its_attempt(collector, call):
    notes = NotesTraces()
    logging.getLogger("traced").addHandler(notes)
    try:
        async with manager(observer=collector.telemetry) as m:
            handle = await m.start(Process("p", {"a": Step("a", call, executor="process")}))
            output = await handle.result()
    finally:
        logging.getLogger("traced").removeHandler(notes)
    attempt = collector.span("a #1").context
    assert output == {"trace": attempt.trace_id, "span": attempt.span_id}
    assert notes.seen == [attempt.trace_id]


async def test_a_process_belongs_to_the_trace_that_started_it(m, collector):
    with collector.tracers.get_tracer("shop").start_as_current_span("request") as request:
        handle = await m.start(Process("p", [works]))
    await handle.result()
    assert parent_of(collector.span("p")) == request.get_span_context().span_id
    assert {span.context.trace_id for span in collector.spans} == {request.get_span_context().trace_id}


async def runs_a_child(data, ctx):
    return await ctx.run(Process("child", [works]))


async def test_a_child_is_below_the_attempt_that_runs_it(m, collector):
    await (await m.start(Process("parent", [runs_a_child]))).result()
    assert parent_of(collector.span("child")) == collector.span("runs_a_child #1").context.span_id


async def test_a_fork_belongs_to_the_trace_of_who_forks(m, collector):
    handle = await m.start(Process("p", [works]))
    await handle.result()
    with collector.tracers.get_tracer("shop").start_as_current_span("again") as again:
        fork = await handle.fork("works")
    await fork.result()
    assert [parent_of(span) for span in collector.spans if span.name == "p"] == [
        None,
        again.get_span_context().span_id,
    ]


async def test_after_a_kill_the_process_goes_on_in_the_starters_trace():
    """Each manager has a telemetry of its own, as in two OS processes."""
    clock, first, second = VirtualClock(), Collector(), Collector()
    store = open_store("memory://", clock, ManagerOptions())
    async with manager(store=store, clock=clock, observer=first.telemetry) as m:
        with first.tracers.get_tracer("shop").start_as_current_span("request") as request:
            handle = await m.start(Process("p", {"a": works, "b": works}))
        await clock.advance(3)
        await m.kill()
    async with manager(store=store, clock=clock, observer=second.telemetry, seed=2) as m:
        await m.result(handle.pid)
    starter = request.get_span_context()
    assert {span.name for span in first.spans} == {"request", "a", "a #1"}
    assert {span.name for span in second.spans} == {"p", "b", "b #2"}
    process = second.span("p")
    assert parent_of(process) == starter.span_id
    assert parent_of(first.span("a")) == parent_of(second.span("b")) == process.context.span_id
    assert {span.context.trace_id for span in (*first.spans, *second.spans)} == {starter.trace_id}
    assert process.start_time <= first.span("a").start_time


async def test_untraced_processes_have_one_trace_in_all_managers():
    clock, first, second = VirtualClock(), Collector(), Collector()
    store = open_store("memory://", clock, ManagerOptions())
    async with manager(store=store, clock=clock, observer=first.telemetry) as m:
        handle = await m.start(Process("p", {"a": asks, "b": works}))
        await clock.advance(1)
    async with manager(store=store, clock=clock, observer=second.telemetry, seed=2) as m:
        await m.proceed(handle.pid)
        await m.result(handle.pid)
    assert first.span("a").context.trace_id == second.span("p").context.trace_id
    assert parent_of(first.span("a")) == second.span("p").context.span_id


async def test_what_is_not_sampled_is_not_sent():
    collector = Collector(ParentBased(ALWAYS_OFF))
    async with manager(observer=collector.telemetry) as m:
        await (await m.start(Process("p", [works]))).result()
    assert not collector.spans


async def test_without_a_tracer_provider_of_the_sdk_there_are_metrics_only(collector):
    telemetry = Telemetry(meter_provider=collector.meters)
    async with manager(observer=telemetry) as m:
        await (await m.start(Process("p", [works]))).result()
    assert collector.point("procactors.processes.finished", process="p").value == 1


# Metrics.


async def test_started_finished_failed_and_cancelled_are_counted_by_name(m, collector):
    await (await m.start(Process("good", [works]))).result()
    with pytest.raises(ProcessFailedError):
        await (await m.start(Process("bad", [fails]))).result()
    await m.start(Process("late", [hangs], timeout=1))
    asked = await m.start(Process("asked", [asks]))
    await m.clock.advance(2)
    await asked.cancel()
    started = collector.metrics["procactors.processes.started"]
    assert {dict(key)["process"]: point.value for key, point in started.items()} == {
        "good": 1, "bad": 1, "late": 1, "asked": 1,
    }  # fmt: skip
    assert collector.point("procactors.processes.finished", process="good").value == 1
    assert collector.point("procactors.processes.failed", process="bad", status="failed").value == 1
    assert collector.point("procactors.processes.failed", process="late", status="timed_out").value == 1
    assert collector.point("procactors.processes.cancelled", process="asked").value == 1


async def test_running_goes_up_and_down(m, collector):
    handles = [await m.start(Process("p", [hangs])) for _ in range(3)]
    assert collector.point("procactors.processes.running", process="p").value == 3
    await handles[0].cancel()
    await m.clock.advance(1)
    assert collector.point("procactors.processes.running", process="p").value == 2


async def test_durations_are_those_of_the_virtual_clock(collector):
    async with manager(observer=collector.telemetry, max_running=1) as m:
        for handle in [await m.start(Process("p", [works])) for _ in range(2)]:
            await handle.result()
    steps = collector.point("procactors.step.duration", process="p", step="works", status="completed")
    assert (steps.count, steps.sum) == (2, pytest.approx(4, abs=0.01))
    ages = collector.point("procactors.queue.age", process="p")
    assert (ages.count, ages.max) == (2, pytest.approx(2, abs=0.1))


async def test_commits_are_measured(m, collector):
    await (await m.start(Process("p", [works]))).result()
    size = collector.point("procactors.commit.size")
    assert (size.count, size.sum) == (2, 5)  # queued, started, step started; step finished, finished
    assert collector.point("procactors.commit.duration").count == 2


async def test_mailboxes_are_measured_while_the_manager_is_open(collector):
    async with manager(observer=collector.telemetry) as m:
        collector.telemetry.watch(m)
        point = collector.point(
            "procactors.mailbox.length", manager=m.name, actor="PersistenceActor", lane="work"
        )
        assert point.value == 0
    assert not collector.metrics.get("procactors.mailbox.length")


async def test_what_is_wrong_with_a_manager_is_counted(collector):
    telemetry = collector.telemetry
    telemetry.dead_letter("streams", "Committed")
    telemetry.actor_restarted("streams", ValueError(), 1.0)
    telemetry.store_retried(OSError(), 1.0)
    telemetry.loop_blocked(0.5, "fetch", "")
    telemetry.loop_blocked(1.5, "fetch", "")
    telemetry.thread_abandoned("0" * 32, "fetch")
    assert collector.point("procactors.dead_letters", kind="Committed").value == 1
    assert collector.point("procactors.actor.restarts", error="ValueError").value == 1
    assert collector.point("procactors.store.retries").value == 1
    assert collector.point("procactors.loop.blocked", step="fetch").value == 2
    assert collector.point("procactors.threads.abandoned", step="fetch").value == 1


async def test_a_lost_process_is_forgotten(m, collector):
    handle = await m.start(Process("p", [hangs]))
    collector.telemetry.process_lost(handle.pid)
    assert collector.point("procactors.processes.running", process="p").value == 0
    await handle.cancel()
    assert not [span for span in collector.spans if span.name == "hangs"]


# Logs.


async def logs(data, ctx):
    logging.getLogger("shop").warning("in a step")
    return data


async def test_log_records_say_which_step_they_come_from(m):
    lines, handler = [], logging.Handler()
    handler.emit = lambda record: lines.append((record.pid, record.step, record.attempt))
    handler.addFilter(StepFilter())
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    try:
        logger.warning("outside")
        handle = await m.start(Process("p", [logs]))
        await handle.result()
    finally:
        logger.removeHandler(handler)
    assert lines == [("", "", 0), (handle.pid, "logs", 1)]


ENTRIES: list[dict[str, object]] = []


async def logs_by_structlog(data):
    ENTRIES.append(dict(add_step(None, "info", {"event": "in a step"})))
    return data


async def test_entries_of_structlog_say_it_too(m):
    ENTRIES.clear()
    handle = await m.start(Process("p", [logs_by_structlog]))
    await handle.result()
    (entry,) = ENTRIES
    assert entry == {"event": "in a step", "pid": handle.pid, "step": "logs_by_structlog", "attempt": 1}
    assert add_step(None, "info", {"event": "outside"}) == {"event": "outside"}


# The dashboard.


def queried_by(dashboard):
    """Return the metrics, as Prometheus names them, that a dashboard asks for."""
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return {name for query in queries for name in re.findall(r"procactors_\w+", query)}


def prometheus_name(metric):
    name = metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
    if type(metric.data).__name__ == "Histogram":
        return f"{name}_bucket"
    return f"{name}_total" if getattr(metric.data, "is_monotonic", False) else name


async def test_the_dashboard_shows_every_metric_and_no_other(m, collector):
    await test_what_is_wrong_with_a_manager_is_counted(collector)
    await test_started_finished_failed_and_cancelled_are_counted_by_name(m, collector)
    (resource,) = collector.reader.get_metrics_data().resource_metrics
    names = {prometheus_name(metric) for scope in resource.scope_metrics for metric in scope.metrics}
    assert queried_by(DASHBOARD) == {name for name in names if name.startswith("procactors")}
