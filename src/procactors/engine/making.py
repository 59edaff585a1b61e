"""What a manager is made with: what is of another kind is refused by name, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procactors.errors import InvalidDefinitionError
from procactors.model.text import problem_of, shown
from procactors.options import ManagerOptions


def check_making(*, run: Any, max_running: Any, name: Any, options: Any, observer: Any) -> None:
    """Refuse arguments of a manager that are of the wrong kind.

    Raises:
        InvalidDefinitionError: One is; the message names it, and says what it has to be.
    """
    if not isinstance(run, bool):
        raise _wrong("run", "True or False", run)
    if not isinstance(max_running, int) or max_running < 1:
        raise _wrong("max_running", "1 or more", max_running)
    if name is not None and (problem := problem_of(name)):
        raise InvalidDefinitionError(f"a manager's name {problem}")
    if not isinstance(options, ManagerOptions):
        raise _wrong("options", "a ManagerOptions, as ManagerOptions(grace_s=25)", options)
    if observer is not None and not hasattr(observer, "events_committed"):
        raise _wrong("observer", "an Observer", observer)


def check_sources(clock: Any, rng: Any) -> None:
    """Refuse what gives neither time nor randomness; None: the system's.

    Raises:
        InvalidDefinitionError: It is something else.
    """
    if clock is not None and not hasattr(clock, "monotonic"):
        raise _wrong("clock", "a Clock", clock)
    if rng is not None and not hasattr(rng, "getrandbits"):
        raise _wrong("rng", "a random.Random", rng)


def services_in(services: Any) -> dict[str, Any]:
    """Return services by name.

    Raises:
        InvalidDefinitionError: They are not a mapping of names.
    """
    if services is None:
        return {}
    if not isinstance(services, Mapping) or not all(isinstance(name, str) for name in services):
        raise _wrong("services", 'a mapping of names to objects, as {"db": engine}', services)
    return dict(services)


def _wrong(what: str, wanted: str, value: Any) -> InvalidDefinitionError:
    return InvalidDefinitionError(f"{what} must be {wanted}, not {shown(value)}")
