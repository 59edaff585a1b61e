"""Who may do what: asks the application's `authorize`, and says no in the right way."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Literal, TypeAlias

from starlette.exceptions import HTTPException

from procactors.engine.reading import unknown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

Action: TypeAlias = Literal["read", "start", "proceed", "cancel", "retry", "rewind", "skip", "fork", "pause"]
Authorize: TypeAlias = "Callable[[Request, str, str | None], bool | Awaitable[bool]]"


class Access:
    """What a request may do."""

    def __init__(self, authorize: Authorize) -> None:
        """Ask `authorize`."""
        self._authorize = authorize

    async def may(self, request: Request, action: Action, pid: str | None = None) -> bool:
        """Tell whether a request may do something. Cancellation: safe."""
        answer = self._authorize(request, action, pid)
        return bool(await answer if isawaitable(answer) else answer)

    async def require(self, request: Request, action: Action, pid: str | None = None) -> None:
        """Raise unless a request may do something; what it may not even read does not exist for it.

        Raises:
            UnknownProcessError: It may not read the process.
            HTTPException: It may not do this (403), or not read what concerns all processes (404).

        Cancellation: safe.
        """
        if pid is not None and not await self.may(request, "read", pid):
            raise unknown(pid)
        if (action != "read" or pid is None) and not await self.may(request, action, pid):
            if action == "read":
                raise HTTPException(404)
            raise HTTPException(403, f"you may not {action} {'processes' if pid is None else 'this process'}")
