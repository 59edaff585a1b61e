"""A step's output as it is stored. Made where the step ran: what crosses between OS processes is data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import InvalidDataError
from procactors.model.interrupt import ANY_ANSWER, Interrupt, Question, misfit, question_of
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
        InvalidDataError: It is not JSON-able, or too large; or it is an interrupt whose answer of its own
            does not fit its schema.
        InvalidDefinitionError: It is an interrupt, and the type of its answer can't be described.
    """
    if isinstance(value, Output):
        return value
    what = f"the output of step {step.name!r}"
    if isinstance(value, Interrupt):
        return Output(encode(value.data, limit_bytes, what), _question(value, step, limit_bytes))
    return Output(encode(value, limit_bytes, what), ANY_ANSWER if step.interrupts else None)


def _question(interrupt: Interrupt, step: Step, limit_bytes: int) -> Question:
    if interrupt.on_timeout is None:
        return question_of(interrupt, None)
    what = f"the on_timeout answer of step {step.name!r}"
    answer = bytes(encode(interrupt.on_timeout, limit_bytes, what))
    question = question_of(interrupt, answer)
    if interrupt.schema is not None and (problem := misfit(answer, interrupt.schema)):
        raise InvalidDataError(f"{what} {problem}", step=step.name)
    return question
