"""Django turns an exception into a response where nobody else sees it, but it tells of it by a signal."""

from __future__ import annotations

import sys
from typing import Any

from procactors.web._scope import ConnectionScope


def listen_to_django() -> None:
    """Hear of exceptions that end requests of Django, if it is in use. Twice is fine."""
    signals = sys.modules.get("django.core.signals")
    if signals is not None:
        signals.got_request_exception.connect(_note)


def _note(sender: Any, **_: Any) -> None:  # noqa: ARG001 - Django's name for the sender
    """Note it; in a thread, with the request's context."""
    scope = ConnectionScope.current()
    if scope is not None:
        scope.has_failed = True
