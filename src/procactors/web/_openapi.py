"""The description of the API: an OpenAPI 3.1 document, made from the same types that are read and written."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.actors import TreeRow
from procactors.model.info import ProcessInfo, QueueInfo
from procactors.model.standing import ManagerInfo
from procactors.model.status import ProcessStatus
from procactors.web import _body
from procactors.web._deferred_state import DeferredState
from procactors.web._problems import MEDIA_TYPE, Problem
from procactors.web._verbs import VERBS

if TYPE_CHECKING:
    from collections.abc import Iterable

_REFERENCE = "#/components/schemas/{name}"
_A_PID = {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}$"}
_PID = {
    "name": "pid",
    "in": "path",
    "required": True,
    "description": "The process: 32 hex digits",
    "schema": _A_PID,
}
_ONE = {"$ref": _REFERENCE.format(name="ProcessInfo")}
_PID_ALONE = {  # for those who may start but not read
    "type": "object",
    "properties": {"pid": _A_PID},
    "required": ["pid"],
    "additionalProperties": False,
}
_QUEUES = {"type": "array", "items": {"$ref": _REFERENCE.format(name="QueueInfo")}}
_MANAGERS = {"type": "array", "items": {"$ref": _REFERENCE.format(name="ManagerInfo")}}
_ACTORS = {"type": "array", "items": {"$ref": _REFERENCE.format(name="TreeRow")}}
_DEFERRED = {"$ref": _REFERENCE.format(name="DeferredState")}
_LOCATION = {"Location": {"description": "The new process", "schema": {"type": "string"}}}
_FILTERS = [
    {
        "name": "status",
        "in": "query",
        "description": "Only of this status; may be given several times",
        "schema": {"type": "array", "items": {"enum": [str(status) for status in ProcessStatus]}},
    },
    {"name": "name", "in": "query", "description": "Only of this definition", "schema": {"type": "string"}},
    {
        "name": "search",
        "in": "query",
        "description": "Only with this text in the name, in any case; at the beginning of the key, or of the"
        " pid (8 digits or more); or as a tag",
        "schema": {"type": "string"},
    },
    {
        "name": "parent",
        "in": "query",
        "description": "Only the children of this process; not together with search",
        "schema": {"type": "string"},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "How many at most",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    },
    {
        "name": "after",
        "in": "query",
        "description": "Only those older than this pid: the last of the page before",
        "schema": _A_PID,
    },
]
_LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Go on after this event",
    "schema": {"type": "integer", "minimum": 0},
}


def document(root: str) -> dict[str, Any]:
    """Return the description of the API that is mounted at `root`."""
    bodies = {verb.body for verb in VERBS.values()} | {_body.Start, _body.Queue}
    said = [ProcessInfo, QueueInfo, ManagerInfo, TreeRow, DeferredState, Problem]
    kinds = [*said, *sorted(bodies, key=lambda kind: kind.__name__)]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    schemas = _widely_read(schemas)
    for schema in schemas.values():
        _describe(schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "procactors", "version": version("procactors")},
        "servers": [{"url": root}],
        "paths": _paths(),
        "components": {"schemas": schemas},
    }


def _widely_read(part: Any) -> Any:
    """Return schemas with tuples as lists of so many items, as many tools stumble over `prefixItems`."""
    if isinstance(part, list):
        return [_widely_read(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {key: _widely_read(value) for key, value in part.items()}
    if "prefixItems" in found:
        found["items"] = {"anyOf": found.pop("prefixItems")}
    return found


def _describe(schema: dict[str, Any]) -> None:
    """Say of each property what the docstring of its class says of the attribute."""
    text, _, attributes = schema.get("description", "").partition("\n\n    Attributes:\n")
    said = dict(re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)$", attributes, re.MULTILINE))
    for name, part in schema.get("properties", {}).items():
        if name in said and "$ref" not in part:
            part["description"] = " ".join(said[name].split())
    if attributes:
        schema["description"] = text


def _paths() -> dict[str, Any]:
    many = {"type": "array", "items": _ONE}
    refusals = (400, 403, 413, 415, 422, 503)
    return {
        "/api/queues": {
            "get": _operation("listQueues", "How each definition's processes stand", {200: _QUEUES}, (404,))
        },
        **{
            f"/api/queues/{verb}": {
                "post": _operation(f"{verb}Queue", says, {200: _QUEUES}, refusals, body=_body.Queue)
            }
            for verb, says in (
                ("pause", "Let no process of a name begin to run"),
                ("resume", "Let the processes of a name run again"),
            )
        },
        "/api/processes": {
            "get": _operation(
                "listProcesses", "List processes, the newest first", {200: many}, (400,), _FILTERS
            ),
            "post": _operation(
                "startProcess",
                "Start a process by the name of its definition",
                {201: {"anyOf": [_ONE, _PID_ALONE]}, 200: {"anyOf": [_ONE, _PID_ALONE]}},
                refusals,
                body=_body.Start,
            ),
        },
        "/api/processes/{pid}": {
            "get": _operation("getProcess", "All about a process", {200: _ONE}, (404,), [_PID])
        },
        **{f"/api/processes/{{pid}}/{action}": {"post": _verb(action)} for action in VERBS},
        "/api/processes/{pid}/events": {
            "get": _stream("followProcess", "The events of a process, until it ends", [_PID, _LAST_EVENT])
        },
        "/api/events": {"get": _stream("followAll", "The events of all processes", [_LAST_EVENT])},
        "/api/managers": {
            "get": _operation(
                "listManagers", "The managers and clients on the store", {200: _MANAGERS}, (404,)
            )
        },
        "/api/actors": {
            "get": _operation(
                "listActors", "The actors of the manager that answers, as a tree", {200: _ACTORS}, (404,)
            )
        },
        "/api/deferred": {
            "get": _operation("getDeferred", "How deferred updates stand", {200: _DEFERRED}, (404,))
        },
    }


def _verb(action: Any) -> dict[str, Any]:
    verb = VERBS[action]
    found = {201 if action == "fork" else 200: _ONE}
    return _operation(
        f"{action}Process", verb.says, found, (400, 403, 404, 409, 413, 415, 422, 503), [_PID], body=verb.body
    )


def _stream(name: str, says: str, parameters: list[Any]) -> dict[str, Any]:
    found = _operation(name, says, {}, (400, 404, 410), parameters)
    found["responses"]["200"] = {
        "description": "id: its number, event: its class, data: its JSON",
        "content": {"text/event-stream": {}},
    }
    if name == "followProcess":
        found["responses"]["204"] = {"description": "It has ended, and all has been seen"}
    return found


def _operation(
    name: str,
    says: str,
    found: dict[int, Any],
    problems: Iterable[int],
    parameters: list[Any] | None = None,
    body: type | None = None,
) -> dict[str, Any]:
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}}
    responses: dict[str, Any] = {
        str(status): {"description": says, "content": {_body.JSON: {"schema": schema}}}
        for status, schema in found.items()
    }
    if "201" in responses:
        responses["201"]["headers"] = _LOCATION
        if "200" in responses:
            responses["200"] |= {
                "headers": _LOCATION,
                "description": "Its key has a process already: this one",
            }
    responses |= {str(status): {"description": "It could not be done", **problem} for status in problems}
    operation: dict[str, Any] = {"operationId": name, "summary": says, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        schema = {"$ref": _REFERENCE.format(name=body.__name__)}
        operation["requestBody"] = {"required": True, "content": {_body.JSON: {"schema": schema}}}
    return operation
