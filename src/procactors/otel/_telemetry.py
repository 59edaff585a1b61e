"""The observer that turns what a manager reports into spans and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as error:
    hint = f'procactors.otel needs an extra ({error}): pip install "procactors[otel]"'
    raise ImportError(hint) from error

from procactors.observe import Observer
from procactors.otel._metrics import Metrics
from procactors.otel._spans import Spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.manager import ProcessManager


class Telemetry(Observer):
    """Spans and metrics of managers: `ProcessManager(url, observer=Telemetry())`.

    A process belongs to the trace in which it was started, whichever managers run it, and whenever; each has
    its own `Telemetry`. What a step does is in the trace, too, if the libraries that it calls are
    instrumented.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        """Report to these providers.

        Args:
            tracer_provider: Where spans go; default: the global one. If that is not the SDK's (nobody has set
                it yet), there are no spans.
            meter_provider: Where metrics go; default: the global one.
        """
        provider = trace.get_tracer_provider() if tracer_provider is None else tracer_provider
        self._spans = Spans(provider) if isinstance(provider, TracerProvider) else None
        self._metrics = Metrics(metrics.get_meter_provider() if meter_provider is None else meter_provider)

    def watch(self, manager: ProcessManager) -> None:
        """Measure the mailboxes of `manager`, too, for as long as it exists."""
        self._metrics.watch(manager)

    # Processes.

    def trace_context(self) -> str | None:
        """Return the traceparent of the calling code's span; see `Observer`."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def process_changed(
        self, pid: str, name: str, events: Sequence[Any], *, trace: str | None, is_owned: bool
    ) -> None:
        """Begin and end what these events begin and end; see `Observer`."""
        if self._spans is not None:
            self._spans.change(pid, name, events, trace=trace, is_owned=is_owned)
        self._metrics.change(pid, name, events, is_owned=is_owned)

    def process_lost(self, pid: str) -> None:
        """Forget the process; see `Observer`."""
        if self._spans is not None:
            self._spans.forget(pid)
        self._metrics.forget(pid)

    def attempt_begins(self, pid: str, step: str, attempt: int) -> None:  # noqa: ARG002 - the observer's face
        """Let the attempt's span be the current one of its code; see `Observer`."""
        if self._spans is not None:
            self._spans.enter(pid)

    # The manager itself.

    def events_committed(self, events: Sequence[Any], seconds: float) -> None:
        """Measure the commit; see `Observer`."""
        self._metrics.commit_size.record(len(events))
        self._metrics.commit_duration.record(seconds)

    def dead_letter(self, actor: str, kind: str) -> None:  # noqa: ARG002 - one series for each actor is too many
        """Count it; see `Observer`."""
        self._metrics.dead_letters.add(1, {"kind": kind})

    def actor_restarted(self, actor: str, error: BaseException, delay: float) -> None:  # noqa: ARG002 - the same
        """Count it; see `Observer`."""
        self._metrics.actor_restarts.add(1, {"error": type(error).__name__})

    def store_retried(self, error: BaseException, delay: float) -> None:  # noqa: ARG002 - what counts is that
        """Count it; see `Observer`."""
        self._metrics.store_retries.add(1)

    def loop_blocked(self, seconds: float, step: str | None, stack: str) -> None:  # noqa: ARG002 - it is logged
        """Add it up; see `Observer`."""
        self._metrics.loop_blocked.add(seconds, {"step": step or ""})

    def thread_abandoned(self, pid: str, step: str) -> None:  # noqa: ARG002 - one series for each is too many
        """Count it; see `Observer`."""
        self._metrics.threads_abandoned.add(1, {"step": step})


_PROPAGATOR = TraceContextTextMapPropagator()
