"""Failures of steps, as they are told: how the code has really ended, and when."""

from __future__ import annotations

from procactors import ManagerOptions

CRASHES = {
    "_exit": (7, None),
    "SIGTERM": (143, None),
    "SIGKILL": (None, "SIGKILL"),
    "SIGUSR1": (None, "SIGUSR1"),
}
"""By how an OS process ends itself: its exit code and signal."""
STOPPED = {(143, "SIGTERM"), (None, "SIGKILL")}
"""How one ends that is stopped."""
SLACK_S = 0.01


def check_failure(step, event, body):
    """See that a failure of a step or compensation is told as it was; `body` is the run of its code."""
    error = event.error
    how = getattr(body.elsewhere, "how", None)
    end = (error.exit_code, error.signal)
    if error.type == "StepCrashedError":
        assert end == CRASHES.get(how), f"it has crashed with {end}, and its code ends by {how}"
        assert ("as planned" in error.stderr) == (how == "_exit"), f"its last words: {error.stderr!r}"
    elif error.type == "SystemExit" and step.executor == "process":
        assert end == (3, None), f"it has left with {end}"
    elif error.type == "TimeoutError" and "ran into its timeout" in error.message:
        _check_time(step, event, body, end)


def _check_time(step, event, body, end):
    late = event.at.timestamp() - body.began - step.timeout
    if step.executor == "process":
        assert end in STOPPED, f"it was stopped, and has ended with {end}"
        patience = ManagerOptions().kill_grace_s
    elif body.elsewhere is not None and not step.kwargs["does"].get("defers"):  # else its code may have ended
        assert event.error.abandoned, "its thread was left behind, and nobody says so"
        patience = 0
    else:
        return
    assert -SLACK_S <= late <= patience + SLACK_S, f"its timeout is noticed {late} s late"
