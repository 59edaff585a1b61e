"""The names that other programs are written against: how they are related, what they take and carry."""

from __future__ import annotations

import inspect

import pytest

import procactors
import procactors.deferred
import procactors.errors
from procactors import (
    InvalidStateError,
    ManagerOptions,
    NotInterruptedError,
    Process,
    ProcessEndedError,
    ProcessHandle,
    ProcessManager,
    ProcessStatus,
    Retry,
    Step,
    StepContext,
    StepStatus,
)
from procactors.deferred import DeferredUpdates, Stage
from procactors.web import DeferredMiddleware
from tests.behaviour.steps import echo

EVENTS = [
    "ProcessQueued",
    "ProcessStarted",
    "ProcessReleased",
    "ProcessRecovered",
    "StepStarted",
    "StepProgressed",
    "StepFinished",
    "StepFailed",
    "StepRetryScheduled",
    "StepSkipped",
    "ProcessInterrupted",
    "ProcessProceeded",
    "ProcessWaiting",
    "ProcessSleeping",
    "ProcessResumed",
    "ProcessBlocked",
    "ProcessCancelRequested",
    "ProcessRewound",
    "ProcessRetried",
    "UndoStarted",
    "UndoFinished",
    "UndoFailed",
    "DeferredUpdateFailed",
    "ProcessFinished",
    "ProcessFailed",
    "ProcessTimedOut",
    "ProcessCancelled",
]
ERRORS = [
    "UnknownProcessError",
    "InvalidStateError",
    "NotInterruptedError",
    "KeyConflictError",
    "InvalidDefinitionError",
    "StepNotResolvableError",
    "InvalidDataError",
    "PayloadTooLargeError",
    "ProcessEndedError",
    "ProcessFailedError",
    "ProcessTimedOutError",
    "ProcessCancelledError",
    "OwnershipLostError",
    "StoreUnavailableError",
    "SchemaTooNewError",
    "HistoryGoneError",
    "AskTimeoutError",
    "ActorStoppedError",
    "MailboxFullError",
    "AskCycleError",
    "IllegalRecursionError",
    "RoundPendingError",
    "NoDeferredScopeError",
]
DEFERRED = [
    "DeferredUpdates",
    "DeferredScheduler",
    "Stage",
    "Update",
    "CallableUpdate",
    "DataUpdate",
    "MergeableUpdate",
    "EnqueueableUpdate",
    "TransactionRoundDefiningUpdate",
    "AutoCommitUpdate",
    "AtomicSectionUpdate",
    "defer",
    "deferred_scope",
]


def parameters(function):
    """Return each parameter's name and default, and the names of those that go by keyword only."""
    taken = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    return {p.name: p.default for p in taken}, {p.name for p in taken if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("name", DEFERRED)
def test_what_is_deferred_comes_from_its_room(name):
    assert hasattr(procactors.deferred, name)


def test_errors_are_related_as_the_contract_says():
    for name in ["ProcessFailedError", "ProcessTimedOutError", "ProcessCancelledError"]:
        assert getattr(procactors, name).__bases__ == (ProcessEndedError,)
    assert issubclass(NotInterruptedError, InvalidStateError)


@pytest.mark.parametrize("name", ["ProcactorsError", *ERRORS])
def test_every_error_derives_from_one_and_carries_pid_step_and_attempt(name):
    error = getattr(procactors, name)
    assert error is getattr(procactors.errors, name)
    assert issubclass(error, procactors.ProcactorsError)
    assert str(error())
    made = error("what happened", pid="p", step="s", attempt=2)
    assert (made.pid, made.step, made.attempt) == ("p", "s", 2)
    assert "what happened" in str(made)
    bare = error("what happened")
    assert (bare.pid, bare.step, bare.attempt) == (None, None, None)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_the_fields_of_all_and_is_frozen(name):
    event = getattr(procactors, name)
    assert {"pid", "seq", "at", "position"} <= set(event.__struct_fields__)
    assert event.__struct_config__.frozen
    assert event.__struct_config__.tag == name


def test_events_have_the_fields_of_their_kind():
    fields = {name: set(getattr(procactors, name).__struct_fields__) for name in EVENTS}
    for name in EVENTS:
        if name.startswith("Step"):
            assert {"step", "attempt"} <= fields[name], name
    for name in ["StepFinished", "ProcessFinished"]:
        assert "output" in fields[name]
    for name in ["StepFailed", "UndoFailed", "DeferredUpdateFailed", "ProcessFailed"]:
        assert "error" in fields[name], name
    assert {"step", "data", "schema"} <= fields["ProcessInterrupted"]
    assert "reason" in fields["ProcessCancelled"]


def test_all_events_are_in_the_union():
    assert {event.__name__ for event in procactors.ProcessEvent.__args__} >= set(EVENTS)


def test_statuses_of_processes_and_steps():
    assert [s.value for s in ProcessStatus] == [
        "queued",
        "running",
        "waiting",
        "sleeping",
        "interrupted",
        "blocked",
        "cancelling",
        "undoing",
        "finished",
        "failed",
        "timed_out",
        "cancelled",
    ]
    assert [s.value for s in StepStatus] == ["pending", "running", "completed", "failed", "skipped"]
    assert ProcessStatus("timed_out") == "timed_out"


def test_what_a_step_takes():
    taken, by_keyword = parameters(Step)
    assert list(taken)[:2] == ["name", "call"]
    keywords = (
        "args kwargs services optional_services timeout heartbeat retry executor interrupts at_most_once undo"
    )
    assert by_keyword >= set(keywords.split())
    s = Step("s", echo)
    assert (s.name, s.timeout, s.heartbeat, s.retry, s.executor) == ("s", None, None, None, "loop")
    assert (s.interrupts, s.at_most_once, s.undo) == (False, False, None)
    assert tuple(s.args) == ()
    assert dict(s.kwargs) == {}
    assert tuple(s.services) == tuple(s.optional_services) == ()


def test_what_a_retry_takes():
    taken, _ = parameters(Retry)
    assert list(taken) == ["attempts", "delay", "factor", "max_delay", "jitter", "on"]
    r = Retry()
    assert (r.attempts, r.delay, r.factor, r.max_delay, r.jitter, tuple(r.on)) == (3, 1, 2, 60, True, ("*",))


def test_what_a_process_takes():
    taken, _ = parameters(Process)
    assert list(taken)[:2] == ["name", "steps"]
    assert taken["timeout"] == 60
    p = Process("p", [echo])
    assert (p.name, p.timeout) == ("p", 60)


def test_what_a_manager_takes():
    taken, by_keyword = parameters(ProcessManager)
    assert next(iter(taken)) == "url"
    assert "url" not in by_keyword
    assert {"run", "services", "modules", "plugins", "max_running", "name", "options"} <= by_keyword
    assert (taken["run"], taken["max_running"], taken["name"]) == (True, 64, None)


def test_what_start_takes():
    taken, by_keyword = parameters(ProcessManager.start)
    assert list(taken)[:2] == ["process", "data"]
    assert {"key", "on_conflict", "key_scope", "tx", "priority", "delay", "tags"} <= by_keyword
    assert taken["on_conflict"] == "return"
    assert taken["key"] is None


def test_what_readers_and_verbs_take():
    assert list(parameters(ProcessManager.list)[0].items()) >= []
    taken, _ = parameters(ProcessManager.list)
    assert {name: taken[name] for name in ["status", "name", "limit", "after"]} == {
        "status": None,
        "name": None,
        "limit": 100,
        "after": None,
    }
    assert parameters(ProcessManager.result)[0]["timeout"] is None
    assert list(parameters(ProcessManager.cancel)[0]) == ["pid", "reason"]
    assert list(parameters(ProcessManager.rewind)[0])[:2] == ["pid", "step"]
    assert list(parameters(ProcessManager.fork)[0])[:3] == ["pid", "step", "data"]
    assert parameters(ProcessManager.subscribe)[0].keys() >= {"pid", "after"}


@pytest.mark.parametrize(
    "verb", ["info", "result", "proceed", "cancel", "retry", "rewind", "skip", "fork", "subscribe"]
)
def test_a_handle_has_the_verb_of_the_manager_without_the_pid(verb):
    of_manager = parameters(getattr(ProcessManager, verb))
    of_handle = parameters(getattr(ProcessHandle, verb))
    without = {name: default for name, default in of_manager[0].items() if name != "pid"}
    assert of_handle == (without, of_manager[1])


def test_what_the_context_offers():
    for name in [
        "pid",
        "step",
        "attempt",
        "idempotency_key",
        "services",
        "data",
        "progress",
        "heartbeat",
        "run",
        "gather",
        "defer",
        "at_checkpoint",
    ]:
        assert hasattr(StepContext, name) or name in StepContext.__annotations__, name
    assert list(parameters(StepContext.progress)[0].items()) == [
        ("done", inspect.Parameter.empty),
        ("total", None),
        ("text", ""),
    ]
    taken, _ = parameters(StepContext.run)
    assert list(taken) == ["process", "data", "key"]
    assert taken["key"] is None
    for plain in ["progress", "heartbeat", "defer", "at_checkpoint"]:
        assert not inspect.iscoroutinefunction(getattr(StepContext, plain))


def test_what_an_info_shows():
    wanted = [
        "pid",
        "name",
        "key",
        "tags",
        "status",
        "data",
        "output",
        "error",
        "interrupt",
        "steps",
        "last_completed_step",
        "progress",
        "created_at",
        "started_at",
        "ended_at",
        "deadline_at",
        "attempt",
        "parent_pid",
        "depth",
        "owner",
    ]
    assert set(wanted) <= set(procactors.ProcessInfo.__struct_fields__)


def test_a_misspelt_option_is_refused():
    with pytest.raises(TypeError):
        ManagerOptions(lease=5)


def test_what_deferred_updates_take():
    taken, _ = parameters(DeferredUpdates)
    assert list(taken.items())[:5] == [
        ("transactions", None),
        ("manager", None),
        ("enqueue", None),
        ("opportunistic", False),
        ("big_queue_size", 100),
    ]
    assert parameters(DeferredUpdates.add)[0]["stage"] is Stage.POSTSEND
    assert parameters(DeferredUpdates.add_callable)[0]["stage"] is Stage.POSTSEND
    assert list(parameters(DeferredUpdates.add)[0])[:2] == ["update", "stage"]
    assert "cancel_on_rollback" in parameters(DeferredUpdates.add_callable)[0]


def test_what_defer_takes():
    taken, by_keyword = parameters(procactors.deferred.defer)
    wanted = {
        "stage": Stage.POSTSEND,
        "after_commit": None,
        "cancel_on_rollback": (),
        "key": None,
        "merge": None,
        "durable": False,
        "always": False,
    }
    assert {name: taken[name] for name in by_keyword} == wanted
    taken, _ = parameters(procactors.deferred.deferred_scope)
    assert taken["manager"] is None
    assert taken["opportunistic"] is True


def test_what_the_middleware_takes():
    taken, _ = parameters(DeferredMiddleware)
    assert taken["manager"] is None
    assert taken["drain_s"] == 10
    assert next(iter(taken)) == "app"
