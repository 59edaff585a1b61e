"""A pause between two steps, and how the answer is merged."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from procactors.errors import InvalidDefinitionError, StepNotResolvableError
from procactors.model import reference


class Interrupt(msgspec.Struct, frozen=True):
    """Returned by a step to interrupt the process after its checkpoint, until `proceed(pid, answer)`.

    The answer is merged over `data` (see `merged`), and the result is the next step's input.

    Attributes:
        data: The step's output, and what `info.interrupt.data` shows to whoever has to answer.
        schema: Type of the answer: a struct, dataclass, TypedDict or attrs class of a module. An
            answer that does not fit it is refused, and the process stays interrupted.
        timeout: Seconds to wait for an answer, > 0; None: for ever.
        on_timeout: The answer that is taken when the timeout passes; it has to fit the schema, too, or
            the step fails. Without one the process ends as `timed_out` then.

    Raises:
        InvalidDefinitionError: The timeout is not positive, or the schema could not be found again.
    """

    data: Any = None
    schema: type | None = None
    timeout: float | None = None
    on_timeout: Any = None

    def __post_init__(self) -> None:
        """Check timeout and schema."""
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidDefinitionError(f"Interrupt: timeout must be more than 0, not {self.timeout!r}")
        if self.on_timeout is not None and self.timeout is None:
            raise InvalidDefinitionError("Interrupt: on_timeout needs a timeout")
        if self.schema is not None:
            schema_reference(self.schema)


class Question(msgspec.Struct, frozen=True):
    """An interrupt as it is stored: all of it data, that any program can read.

    Attributes:
        schema: JSON Schema of the answer; None: anything goes.
        schema_type: Reference to the type of the answer.
        timeout: Seconds to wait for an answer; None: for ever.
        on_timeout: The answer that is taken then, as JSON.
    """

    schema: dict[str, Any] | None = None
    schema_type: str | None = None
    timeout: float | None = None
    on_timeout: bytes | None = None


ANY_ANSWER = Question()
"""What a step asks that is marked `interrupts=True`."""


def question_of(interrupt: Interrupt, on_timeout: bytes | None) -> Question:
    """Return what is stored of an interrupt besides its data; `on_timeout` is its default answer as JSON.

    Raises:
        InvalidDefinitionError: The type of the answer can't be described.
    """
    if interrupt.schema is None:
        return Question(timeout=interrupt.timeout, on_timeout=on_timeout)
    schema, schema_type = json_schema(interrupt.schema), schema_reference(interrupt.schema)
    return Question(schema, schema_type, interrupt.timeout, on_timeout)


def misfit(answer: bytes, schema: type) -> str | None:
    """Return why an answer, as JSON, does not fit its schema; None: it does."""
    try:
        msgspec.json.decode(answer, type=schema)
    except msgspec.ValidationError as error:
        return f"does not fit {schema.__qualname__}: {error}"
    return None


def merged(data: Any, answer: Any) -> Any:
    """Return `answer` merged over `data`: of two mappings the union, one level deep; else the answer.

    No answer (None) leaves the data as it is.
    """
    if answer is None:
        return data
    if isinstance(data, dict) and isinstance(answer, dict):
        return {**data, **answer}
    return answer


def schema_reference(schema: type) -> str:
    """Return the reference by which the type of an answer is stored.

    Raises:
        InvalidDefinitionError: It is local to a function, or not a class.
    """
    qualname = getattr(schema, "__qualname__", "<not a class>")
    if not isinstance(schema, type) or "<" in qualname:
        raise InvalidDefinitionError(
            f"Interrupt: schema must be a class at the top level of a module, not {schema!r}"
        )
    return f"{reference.module_name(schema.__module__)}:{qualname}"


def json_schema(schema: type) -> dict[str, Any]:
    """Return the JSON Schema of an answer's type, for forms.

    Raises:
        InvalidDefinitionError: msgspec can't describe the type.
    """
    try:
        return msgspec.json.schema(schema)
    except (TypeError, RuntimeError) as error:
        raise InvalidDefinitionError(f"Interrupt: schema {schema!r} can't be described: {error}") from error


def resolve_schema(name: str, modules: tuple[str, ...]) -> type:
    """Return the type that `name` refers to.

    Only what the program has imported already, or what lies in one of `modules`, is looked at: a row
    in the database can't make the program import anything else.

    Raises:
        StepNotResolvableError: It is not there.
    """
    module, _, qualname = name.partition(":")
    main = sys.modules.get("__main__") if reference.module_name("__main__") == module else None
    found: Any = sys.modules.get(module) or main
    if found is None:
        return _as_type(reference.resolve(name, modules), name)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return _as_type(found, name)


def _as_type(found: Any, name: str) -> type:
    if not isinstance(found, type):
        raise StepNotResolvableError(f"the answer's type {name!r} is not known in this program")
    return found
