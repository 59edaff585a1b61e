"""Which event of a process's history holds the input of each of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from procactors.model import event as e
from procactors.model.state import apply, current_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors.model.definition import Process
    from procactors.model.event import ProcessEvent
    from procactors.model.state import ProcessState


def recorded_inputs(history: Iterable[ProcessEvent], plan: Process) -> dict[str, int]:
    """Return, for each step that has begun or may begin now, the seq of the event with its newest input.

    Events that this version does not know may be left out of the history.
    """
    state: ProcessState | None = None
    inputs: dict[str, int] = {}
    is_asked = False
    for event in history:
        if state is not None:
            state = msgspec.structs.replace(state, seq=event.seq - 1)
            if isinstance(event, e.StepStarted | e.StepSkipped) and state.undo is None:
                inputs[event.step] = state.data_seq
        state = apply(state, event, plan)
        match event:
            case e.ProcessRewound():
                inputs = {name: seq for name, seq in inputs.items() if name in plan.names[: state.index + 1]}
                is_asked = False
            case e.ProcessInterrupted():
                is_asked = True
            case e.ProcessProceeded():
                is_asked = False
    if state is None:
        return {}
    current = current_step(state, plan)
    stood = state.undo or state  # while it is undone, the state's own fields are those of the compensation
    if current is not None and not stood.attempt and not is_asked:
        inputs[current] = stood.data_seq
    return inputs
