"""What fate has in store for managers: a list of moments, each with what happens then."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """What happens to a manager `after` so many seconds of the one before."""

    after: float
    kind: str
    number: float = 0
    when: str = ""


KINDS = {
    "none": 4,
    "crash": 5,
    "kill": 2,
    "close": 2,
    "fail": 3,
    "slow": 2,
    "freeze": 3,
    "mute": 2,
    "strike": 2,
}


def draw(rng):
    """Return the faults of one manager, in order."""
    faults = []
    for _ in range(rng.choice((0, 1, 2, 3, 6))):
        (kind,) = rng.choices(list(KINDS), KINDS.values())
        after = rng.choice((0, 0.1, 1, 5, 15))
        match kind:
            case "crash":
                faults.append(Fault(after, kind, rng.randint(1, 12), rng.choice(("before", "after"))))
            case "fail":
                faults.append(Fault(after, kind, rng.choice((1, 2, 5, 30))))
            case "slow":
                faults.append(Fault(after, kind, rng.choice((0.01, 0.5, 3))))
            case "freeze" | "mute":
                faults.append(Fault(after, kind, rng.choice((1, 4, 6, 8, 20))))
            case _:
                faults.append(Fault(after, kind))
    return faults
