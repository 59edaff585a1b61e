"""Text that a store can hold, and any value as text for an error message."""

from __future__ import annotations


def shown(value: object, limit: int = 80) -> str:
    """Return a value for an error message, shortened; whatever its `__repr__` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - somebody's __repr__; there is no better text
        return f"<{type(value).__qualname__} that can't be shown>"
    return text if len(text) <= limit else f"{text[:limit]}..."


def problem_of(value: object) -> str | None:
    """Return why a value is not text that a store can hold; None: it is."""
    if not isinstance(value, str):
        return f"must be text, not {shown(value)}"
    if "\0" in value:
        return f"holds a NUL character, which PostgreSQL can't keep: {shown(value)}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"holds a lone surrogate, which can't be encoded: {shown(value)}"
    return None
