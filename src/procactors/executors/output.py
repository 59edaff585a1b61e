"""A step's output as it is stored. Made where the step ran: what crosses between OS processes is data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.model.interrupt import ANY_ANSWER, Interrupt, Question, question_of
from procactors.model.payload import encode

if TYPE_CHECKING:
    from procactors.model.step import Step


class Output(msgspec.Struct, frozen=True):
    """A step's output, encoded, and what it asks if it interrupts."""

    data: msgspec.Raw
    question: Question | None = None


def output_of(value: Any, step: Step, limit_bytes: int) -> Output:
    """Return what a step returned, as it is stored; an `Output` comes from another OS process as it is.

    Raises:
        InvalidDataError: It is not JSON-able, or too large.
        InvalidDefinitionError: It is an interrupt, and the type of its answer can't be described.
    """
    if isinstance(value, Output):
        return value
    what = f"the output of step {step.name!r}"
    if isinstance(value, Interrupt):
        data = encode(value.data, limit_bytes, what)
        answer = encode(value.on_timeout, limit_bytes, f"the on_timeout answer of step {step.name!r}")
        return Output(data, question_of(value, None if value.on_timeout is None else bytes(answer)))
    return Output(encode(value, limit_bytes, what), ANY_ANSWER if step.interrupts else None)
