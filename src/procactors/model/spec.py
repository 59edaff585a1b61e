"""Definitions as plain data: what `to_spec` writes and `from_spec` reads.

A bad spec gets an error that names the step, the field and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from procactors.errors import InvalidDefinitionError
from procactors.model.composite import Composite
from procactors.model.parallel import Each, Parallel
from procactors.model.retry import Retry
from procactors.model.sleep import Sleep
from procactors.model.step import Step

_TIMEOUT_S = 60.0


class StepSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of one step."""

    call: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    services: list[str] = []
    optional_services: list[str] = []
    timeout: float | None = None
    heartbeat: float | None = None
    retry: Retry | None = None
    executor: str = "loop"
    memory_bytes: int | None = None
    nice: int = 0
    interrupts: bool = False
    at_most_once: bool = False
    undo: Any = None


class EachSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of an `Each`."""

    step: Any
    over: str
    limit: int | None = None
    name: str = "item"


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a definition."""

    name: str
    steps: dict[str, Any]
    timeout: float | None = _TIMEOUT_S
    env: dict[str, str] = {}
    argv: list[str] = []
    max_running: int | None = None
    max_per_group: int | None = None
    rate: tuple[int, float] | None = None
    keep: float | None = None

    @classmethod
    def read(cls, spec: Any) -> Spec:
        """Check the outer shape of a spec.

        Raises:
            InvalidDefinitionError: A field is missing, unknown, or of the wrong type.
        """
        if not isinstance(spec, Mapping):
            raise InvalidDefinitionError(f"a spec is a mapping, not a {type(spec).__name__}")
        try:
            return msgspec.convert(spec, cls)
        except msgspec.ValidationError as error:
            raise InvalidDefinitionError(f"process {spec.get('name')!r}{_reason(error)}") from None


ProcessFrom = Callable[[Any], Composite]
"""Reads the spec of a process that is itself a step."""


def steps_from(spec: Spec, process_from: ProcessFrom) -> dict[str, Step]:
    """Return the steps of a spec.

    Raises:
        InvalidDefinitionError: One is not valid.
    """
    return {name: step_from(name, fields, process_from) for name, fields in spec.steps.items()}


def step_from(name: str, fields: Any, process_from: ProcessFrom) -> Step:
    """Return the step of that name.

    A bare text stands for its `call`, `{"sleep": ...}` for a pause, `{"process": ...}`, `{"parallel": ...}`
    and `{"each": ...}` for a step that is made of processes.
    """
    if isinstance(fields, Mapping) and "sleep" in fields:
        return _pause_from(name, fields)
    if isinstance(fields, str):
        fields = {"call": fields}
    call = _composite_from(name, fields, process_from) if isinstance(fields, Mapping) else None
    if call is not None:
        fields = {field: value for field, value in fields.items() if field != call.kind} | {"call": ""}
    if isinstance(fields, Mapping) and "call" not in fields:
        raise InvalidDefinitionError(f"step {name!r}, field 'call': is missing", step=name)
    try:
        read = msgspec.convert(fields, StepSpec)
    except msgspec.ValidationError as error:
        raise InvalidDefinitionError(f"step {name!r}{_reason(error)}", step=name) from None
    values = msgspec.structs.asdict(read)
    if read.undo is not None:
        values["undo"] = step_from(f"{name}.undo", read.undo, process_from)
    reference = values.pop("call")
    return Step(name, reference if call is None else call, **values)


def _composite_from(name: str, fields: Mapping[str, Any], process_from: ProcessFrom) -> Composite | None:
    kinds = [kind for kind in ("process", "parallel", "each") if kind in fields]
    if not kinds:
        return None
    kind, spec = kinds[0], fields[kinds[0]]
    if len(kinds) > 1 or "call" in fields:
        raise InvalidDefinitionError(
            f"step {name!r}, field {kind!r}: can't be combined with another kind of step", step=name
        )
    try:
        if kind == "process":
            return process_from(spec)
        if kind == "parallel":
            return _parallel_from(spec, process_from)
        return _each_from(spec, process_from)
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError(f"step {name!r}, field {kind!r}: {error}", step=name) from None


def _parallel_from(spec: Any, process_from: ProcessFrom) -> Parallel:
    if not isinstance(spec, Mapping):
        raise InvalidDefinitionError(f"must be a mapping of name to step, not {spec!r}")
    return Parallel({name: step_from(name, fields, process_from) for name, fields in spec.items()})


def _each_from(spec: Any, process_from: ProcessFrom) -> Each:
    try:
        read = msgspec.convert(spec, EachSpec)
    except msgspec.ValidationError as error:
        raise InvalidDefinitionError(_reason(error).removeprefix(": ").removeprefix(", ")) from None
    return Each(step_from(read.name, read.step, process_from), read.over, read.limit)


def _pause_from(name: str, fields: Mapping[str, Any]) -> Step:
    if len(fields) > 1:
        other = next(field for field in fields if field != "sleep")
        raise InvalidDefinitionError(
            f"step {name!r}, field {other!r}: makes no sense beside 'sleep', which calls nothing", step=name
        )
    try:
        return Step(name, Sleep.from_spec(fields["sleep"]))
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError(f"step {name!r}, field 'sleep': {error}", step=name) from None


def spec_of(step: Step) -> dict[str, Any]:
    """Return a step as plain data; defaults are left out."""
    if isinstance(step.call, Sleep):
        return {"sleep": step.call.to_spec()}
    spec: dict[str, Any] = {"call": step.reference}
    if isinstance(step.call, Composite):
        spec = {step.call.kind: step.call.inner_spec(spec_of)}
    for field in StepSpec.__struct_fields__[1:]:
        value = getattr(step, field)
        if value in (None, False, 0, (), {}, "loop"):
            continue
        if isinstance(value, Step):
            value = spec_of(value)
        spec[field] = msgspec.json.decode(msgspec.json.encode(value))  # tuples as lists, as readers get them
    return spec


def _reason(error: msgspec.ValidationError) -> str:
    text, _, path = str(error).partition(" - at `")
    field = path.removeprefix("$").removesuffix("`").lstrip(".")
    if not field and "field `" in text:
        field = text.split("field `")[1].partition("`")[0]
    return f", field {field!r}: {text}" if field else f": {text}"
