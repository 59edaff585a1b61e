"""Whether what concurrent callers saw of one process could have happened one call after the other.

After Wing and Gong (1993): try every order that keeps apart what did not overlap, with memory of what has
been tried. Between calls the process may move by itself, from one state to the next of its own life.
"""

from __future__ import annotations

from typing import NamedTuple


class Call(NamedTuple):
    what: str
    outcome: bool
    began: float
    ended: float


QUEUED, ASKING, GOING, CANCELLING, FINISHED, CANCELLED = range(6)
BY_ITSELF = {QUEUED: ASKING, GOING: FINISHED, CANCELLING: CANCELLED}
CALLS = {
    ("proceed", True): {ASKING: GOING},
    ("proceed", False): {state: state for state in (QUEUED, GOING, CANCELLING, FINISHED, CANCELLED)},
    ("cancel", True): {QUEUED: CANCELLING, ASKING: CANCELLING, GOING: CANCELLING, CANCELLING: CANCELLING},
    ("cancel", False): {FINISHED: FINISHED, CANCELLED: CANCELLED},
}


def could_be(calls: list[Call], end: int) -> bool:
    """Tell whether there is an order of `calls` that leads from QUEUED to `end`."""
    tried = set()
    waiting = [(frozenset(range(len(calls))), QUEUED)]
    while waiting:
        left, state = waiting.pop()
        if (left, state) in tried:
            continue
        tried.add((left, state))
        if not left and state == end:
            return True
        if state in BY_ITSELF:
            waiting.append((left, BY_ITSELF[state]))
        first_end = min((calls[n].ended for n in left), default=0)
        for n in left:
            after = CALLS[calls[n].what, calls[n].outcome]
            if calls[n].began <= first_end and state in after:
                waiting.append((left - {n}, after[state]))
    return False
