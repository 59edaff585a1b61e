"""How a question is answered: the command line to copy, with an example that fits the schema. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from procactors.cli.wording import command, short

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXAMPLES: dict[str, Any] = {
    "boolean": True,
    "integer": 1,
    "number": 1,
    "string": "...",
    "array": [],
    "null": None,
}
_DEEPEST = 8


def command_to_answer(pid: str, schema: Mapping[str, Any] | None, db: str = "") -> str:
    """Return the command line that answers a question.

    Args:
        pid: The process that asks.
        schema: JSON Schema of the answer; None: anything goes.
        db: What to give as --db; "": nothing, as the environment says it.
    """
    answer = json.dumps(example(schema))
    return command("proceed", short(pid), "--data", answer, *db_words(db))


def db_words(db: str) -> list[str]:
    """Return the words of a command line that name the store; none if the environment does."""
    return ["--db", db] if db else []


def example(schema: Mapping[str, Any] | None) -> Any:
    """Return a value that fits a JSON Schema, as msgspec writes them: only what is required."""
    return {} if schema is None else _example(schema, schema, 0)


def _example(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _example(root.get("$defs", {}).get(name, {}), root, depth + 1)
    for choice in ("enum", "anyOf", "oneOf"):
        if options := schema.get(choice):
            return options[0] if choice == "enum" else _example(options[0], root, depth + 1)
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "object")
    if kind != "object":
        return _EXAMPLES.get(kind)
    fields = schema.get("properties", {})
    return {name: _example(fields.get(name, {}), root, depth + 1) for name in schema.get("required", [])}
