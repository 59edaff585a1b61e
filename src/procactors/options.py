"""Every limit and every timeout of a manager: unit in the name, checked at construction."""

from __future__ import annotations

import os

import msgspec

from procactors.errors import InvalidDefinitionError

_MAY_BE_ZERO = frozenset(
    {"grace_s", "keep_ended_s", "kill_grace_s", "progress_every_s", "store_patience_s", "worker_steps"}
)


class ManagerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one manager; the defaults suit a web application on one machine.

    Attributes:
        lease_s: Seconds after which a manager that no longer renews its lease counts as dead.
        poll_active_s: Seconds between looks for other OS processes' changes, while there are others.
        poll_idle_s: The same, while this manager is alone on its store.
        store_patience_s: Seconds that a user's own call, read or write, waits for a store that can't be used.
        grace_s: Seconds that running steps have to end when the manager closes, and that a cancelled
            step has to clean up before it is abandoned.
        payload_limit_bytes: The largest size of an input, an output or an answer, in bytes of JSON.
        keep_ended_s: Seconds for which ended processes are kept.
        max_depth: How deep processes may nest.
        crash_limit: How often a process may bring its manager down, without a checkpoint in between,
            before it is failed.
        blocked_after_s: Seconds after which a due process that nobody can run becomes `blocked`.
        progress_every_s: Seconds between two writes of the progress of one process, at least.
        blocked_loop_s: Seconds for which the event loop may stand still before that is reported.
        kill_grace_s: Seconds between SIGTERM and SIGKILL for a step in an OS process of its own that is
            cancelled or out of time.
        workers: How many OS processes run steps with executor="process" at once, >= 1. They are started
            when they are needed, and stay; a step that finds all of them busy waits.
        worker_steps: How many steps such an OS process runs before it is replaced; 0: no limit.
        ageing_s: Seconds of waiting that make up for one point of priority.

    Raises:
        InvalidDefinitionError: A number is out of its range.
    """

    lease_s: float = 5
    poll_active_s: float = 0.005
    poll_idle_s: float = 0.05
    store_patience_s: float = 10
    grace_s: float = 10
    payload_limit_bytes: int = 1_048_576
    keep_ended_s: float = 86_400
    max_depth: int = 32
    crash_limit: int = 5
    blocked_after_s: float = 60
    progress_every_s: float = 0.1
    blocked_loop_s: float = 1
    kill_grace_s: float = 5
    workers: int = os.cpu_count() or 1
    worker_steps: int = 0
    ageing_s: float = 3600

    def __post_init__(self) -> None:
        """Check every number."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise InvalidDefinitionError(f"option {name} must be a number, 0 or more, not {value!r}")
            if value == 0 and name not in _MAY_BE_ZERO:
                raise InvalidDefinitionError(f"option {name} must be more than 0")
        if not isinstance(self.workers, int):
            raise InvalidDefinitionError(f"option workers must be a whole number, not {self.workers!r}")
