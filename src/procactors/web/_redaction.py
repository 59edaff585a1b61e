"""Takes out of payloads what nobody is to see. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors.web._forms import Field

REDACTED = "[redacted]"
_PAYLOADS = ("data", "output", "on_timeout")
_ARGUMENTS = frozenset({"args", "kwargs"})


class Redaction:
    """Knows the names of the fields to leave out."""

    def __init__(self, names: Iterable[str]) -> None:
        """Redact fields of these names, whatever their case."""
        self._names = frozenset(name.casefold() for name in names)

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a process or an event, as plain data, with its payloads redacted."""
        if not self._names:
            return document
        found = {key: self.payload(value) if key in _PAYLOADS else value for key, value in document.items()}
        if isinstance(question := found.get("interrupt"), dict):
            found["interrupt"] = self.document(question)
        if "definition" in found:
            found["definition"] = self._arguments(found["definition"])
        return found

    def payload(self, value: Any) -> Any:
        """Return JSON-able data without the values of redacted fields, at any depth."""
        if isinstance(value, dict):
            return {
                key: REDACTED if str(key).casefold() in self._names else self.payload(item)
                for key, item in value.items()
            }
        return [self.payload(item) for item in value] if isinstance(value, list | tuple) else value

    def fields(self, fields: Iterable[Field]) -> list[Field]:
        """Return the fields of a form, those of redacted names without what was filled in before."""
        return [
            msgspec.structs.replace(field, default="", is_secret=True) if self._hides(field) else field
            for field in fields
        ]

    def _hides(self, field: Field) -> bool:
        if field.name.casefold() in self._names:
            return True
        if field.kind != "json" or not field.default:
            return False
        default = msgspec.json.decode(field.default)
        return bool(self.payload(default) != default)

    def _arguments(self, definition: Any) -> Any:
        """Return a definition with the arguments of its steps redacted."""
        if isinstance(definition, dict):
            return {
                key: self.payload(item) if key in _ARGUMENTS else self._arguments(item)
                for key, item in definition.items()
            }
        return [self._arguments(item) for item in definition] if isinstance(definition, list) else definition
