"""Quart turns an exception into a response where nobody else sees it, but it tells of it by a signal."""

from __future__ import annotations

import sys
from typing import Any

from procactors.web._scope import ConnectionScope


def listen_to_quart() -> None:
    """Hear of exceptions that end requests and websockets of Quart, if it is in use. Twice is fine."""
    signals = sys.modules.get("quart.signals")
    if signals is not None:
        signals.got_request_exception.connect(_note)
        signals.got_websocket_exception.connect(_note)


async def _note(_app: Any, **_: Any) -> None:
    scope = ConnectionScope.current()
    if scope is not None:
        scope.has_failed = True
