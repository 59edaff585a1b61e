"""What a manager runs periodically besides processes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from procactors.errors import InvalidDefinitionError
from procactors.model.text import problem_of, shown

if TYPE_CHECKING:
    from datetime import datetime


@runtime_checkable
class Plugin(Protocol):
    """Something that one of all managers on a store does every so often.

    `ProcessManager(url, plugins=[...])`. A row in the store says when it ran last and who runs it now: it
    runs once an interval however many managers know it, and in another one when that one dies. One that also
    has a method `next_run(last_run)` runs at the moment (aware) which that returns, instead of every
    `interval`; `last_run` is None when it has never run. It is called inside a transaction: be quick.

    Source: MWStake ProcessManager's IProcessManagerPlugin.
    """

    @property
    def key(self) -> str:
        """What it is called in the store; the same in all managers."""
        ...

    @property
    def interval(self) -> float:
        """Seconds from the beginning of one run to that of the next, > 0."""
        ...

    async def run(self, manager: Any, last_run: datetime | None) -> None:
        """Do it. An error is logged, and the next run comes when it would have come.

        Args:
            manager: The `ProcessManager` that runs it.
            last_run: When the last run began that came to an end; None: there was none. A run that was cut
                short, as its manager was closed or killed, is done again, by another manager if there is one.

        Cancellation: its manager is being closed.
        """
        ...


def plugins_in(plugins: Iterable[Any]) -> tuple[Plugin, ...]:
    """Return the plugins of a manager.

    Raises:
        InvalidDefinitionError: One is not a plugin, or two have the same key.
    """
    found: dict[str, Plugin] = {}
    if isinstance(plugins, str | bytes) or not isinstance(plugins, Iterable):
        raise InvalidDefinitionError(f"plugins must be a list of plugins, not {shown(plugins)}")
    for plugin in plugins:
        if not isinstance(plugin, Plugin):
            raise InvalidDefinitionError(
                f"a plugin needs key, interval and run, and {shown(plugin)} lacks some"
            )
        problem = problem_of(plugin.key) or ("must not be empty" if not plugin.key else None)
        if problem:
            raise InvalidDefinitionError(f"the key of plugin {shown(plugin)} {problem}")
        interval = plugin.interval
        if not isinstance(interval, int | float) or not 0 < interval < math.inf:
            raise InvalidDefinitionError(
                f"plugin {plugin.key!r}: interval must be more than 0 seconds, not {shown(interval)}"
            )
        if plugin.key in found:
            raise InvalidDefinitionError(f"two plugins have the key {plugin.key!r}: give each its own")
        found[plugin.key] = plugin
    return tuple(found.values())
