"""Starts processes by the clock: a plugin with a cron expression (extra `cron`).

Each instant starts one process, however many managers know the plugin and whatever crashes in between: the
process's key is made of the plugin's key and the instant. That holds for as long as the process is kept:
if it is deleted before another manager takes over from one that crashed in between, the instant comes again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args
from zoneinfo import ZoneInfo

import anyio

try:
    from cronsim import CronSim, CronSimError
except ModuleNotFoundError as error:
    hint = f'procactors.cron needs an extra ({error}): pip install "procactors[cron]"'
    raise ImportError(hint) from error

from procactors.errors import InvalidDefinitionError, StoreUnavailableError
from procactors.model.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from procactors.manager import ProcessManager
    from procactors.model.definition import Process

_log = logging.getLogger("procactors.plugins")

Misfire = Literal["skip", "once", "all"]

_SLACK = timedelta(milliseconds=2)
"""A timer may go off so much before its instant."""
_MOST_MISSED = 1000
_RETRY_S = 1.0
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class CronPlugin:
    """Starts a process at each instant of a cron expression.

    `ProcessManager(url, plugins=[CronPlugin("0 3 * * *", REPORT, timezone="Europe/Berlin")])`. It begins to
    count when the first manager that knows it is opened.

    Attributes:
        key: Its key among the store's plugins.
        interval: Unused: it runs at its instants.
    """

    interval = 60.0

    def __init__(  # noqa: PLR0913 - the public face
        self,
        expression: str,
        process: Process,
        data: Any = None,
        *,
        key: str | None = None,
        timezone: str = "UTC",
        misfire: Misfire = "once",
        grace: float = 60.0,
        tags: Iterable[str] = (),
    ) -> None:
        """Make a plugin; give it to managers by `plugins=`.

        Args:
            expression: Five fields (minute, hour, day, month, weekday), or six with the second first, as
                Debian's cron reads them, also around changes to and from summer time.
            process: What to start.
            data: Its input; or a function of the instant (aware) that returns it.
            key: Its name in the store. Default: the process's name, so two for one process need one each.
            timezone: Name of the time zone that the expression is in.
            misfire: What to do about instants at which no manager ran: "skip" them; start one process for the
                newest of them ("once"), unless a later instant is on time; or one for each ("all", the newest
                1,000 at most).
            grace: Seconds by which an instant may be late and is still on time, >= 0.
            tags: Tags of the processes.

        Raises:
            InvalidDefinitionError: The expression, the time zone, or a policy is none.
        """
        self.key = f"cron {process.name}" if key is None else key
        self._expression = expression
        self._process = process
        self._data = data
        self._misfire = misfire
        self._grace = timedelta(seconds=grace)
        self._tags = tuple(tags)
        if misfire not in get_args(Misfire):
            raise InvalidDefinitionError(f"misfire is skip, once or all, not {shown(misfire)}")
        if not grace >= 0:
            raise InvalidDefinitionError(f"grace must be 0 seconds or more, not {shown(grace)}")
        try:
            self._zone = ZoneInfo(timezone)
            CronSim(expression, datetime.now(UTC))
        except (CronSimError, AttributeError, TypeError) as error:
            raise InvalidDefinitionError(f"cron expression {shown(expression)}: {error}") from error
        except (OSError, ValueError, KeyError) as error:
            raise InvalidDefinitionError(f"there is no time zone {shown(timezone)}") from error

    def next_run(self, last_run: datetime | None) -> datetime:
        """Return the first instant after `last_run`; the beginning of time if it has never run.

        Args:
            last_run: When its last run began (aware).
        """
        if last_run is None:
            return datetime.fromtimestamp(0, UTC)
        after = last_run.astimezone(UTC) + _SLACK  # not in its own zone, where sums ignore summer time
        coming = CronSim(self._expression, after.astimezone(self._zone))
        instant: datetime = next(coming, _NEVER)
        return instant

    async def run(self, manager: ProcessManager, last_run: datetime | None) -> None:
        """Start a process for each instant since the last run, as far as the misfire policy says so.

        Args:
            manager: Who starts them.
            last_run: When the last run began; None: it begins to count now.

        Cancellation: safe; what was not started is, by the next run.
        """
        if last_run is None:
            return
        for instant in self.instants(last_run, manager.now()):
            await self._start(manager, instant)

    async def _start(self, manager: ProcessManager, instant: datetime) -> None:
        """Start the process of an instant, however long the store can't be used."""
        data = self._data(instant) if callable(self._data) else self._data
        key = f"{self.key} {instant.astimezone(UTC).isoformat()}"
        while True:
            try:
                await manager.start(self._process, data, key=key, tags=self._tags)
            except StoreUnavailableError as error:
                _log.warning("%s: %s is started as soon as the store can be used: %s", self.key, key, error)
                await anyio.sleep(_RETRY_S)
            else:
                return

    def instants(self, after: datetime, until: datetime) -> list[datetime]:
        """Return the instants to start a process for, in order.

        Args:
            after: Those after this moment (aware).
            until: Those up to this moment, which counts as now.
        """
        found: list[datetime] = []
        after, until = after.astimezone(UTC), until.astimezone(UTC)
        for instant in self._backwards(after + _SLACK, until + _SLACK):
            is_late = until - instant > self._grace
            if is_late and (self._misfire == "skip" or (self._misfire == "once" and found)):
                break
            if len(found) == _MOST_MISSED:
                _log.warning("%s: only the newest %d missed instants count", self.key, _MOST_MISSED)
                break
            found.append(instant)
        return found[::-1]

    def _backwards(self, after: datetime, until: datetime) -> Iterator[datetime]:
        for instant in CronSim(self._expression, until.astimezone(self._zone), reverse=True):
            if instant <= after:
                return
            yield instant

    def __repr__(self) -> str:
        """Show key and expression."""
        return f"CronPlugin({self._expression!r}, key={self.key!r})"
