"""Telemetry by OpenTelemetry (extra `otel`): spans, metrics, and logs that say which step they come from."""

from procactors.otel._logs import StepFilter as StepFilter
from procactors.otel._logs import add_step as add_step
from procactors.otel._telemetry import Telemetry as Telemetry
