"""What went wrong, as a response: problem details (RFC 9457), with one status for each kind of error."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from procactors import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE = "application/problem+json"

_STATUS_OF: dict[type[errors.ProcactorsError], int] = {  # the first that fits
    errors.UnknownProcessError: 404,
    errors.InvalidStateError: 409,
    errors.KeyConflictError: 409,
    errors.HistoryGoneError: 410,
    errors.PayloadTooLargeError: 413,
    errors.InvalidDataError: 422,
    errors.InvalidDefinitionError: 422,
    errors.StepNotResolvableError: 422,
    errors.StoreUnavailableError: 503,
    errors.ActorError: 503,
}
_TRY_AGAIN_S = 1
_log = logging.getLogger("procactors.web")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details.

    Attributes:
        type: What kind of problem; for one of the library's errors "urn:procactors:" and its class.
        title: The kind, in words.
        status: The HTTP status.
        detail: What happened this time.
        pid: The process it is about.
        step: The step it is about.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    pid: str | None = None
    step: str | None = None


def problem_of(error: Exception) -> Problem:
    """Return what to say of an error; nothing of its insides if nobody foresaw it."""
    if isinstance(error, HTTPException):
        title = HTTPStatus(error.status_code).phrase
        detail = str(error.detail or "")
        return Problem("about:blank", title, error.status_code, "" if detail == title else detail)
    if isinstance(error, errors.ProcactorsError):
        status = next((status for kind, status in _STATUS_OF.items() if isinstance(error, kind)), 500)
        kind = type(error).__name__
        return Problem(
            f"urn:procactors:{kind}", HTTPStatus(status).phrase, status, _said(error), error.pid, error.step
        )
    return Problem("about:blank", HTTPStatus(500).phrase, 500, "the server's log says more")


def _said(error: errors.ProcactorsError) -> str:
    """Return what an error says, but for where the store is: what a driver said goes to the log."""
    if isinstance(error, errors.StoreUnavailableError) and error.__cause__ is not None:
        _log.warning("a request could not be answered: %s", error)
        return "the store can't be used now; the server's log says more"
    return str(error)


def headers_of(error: Exception, problem: Problem) -> Mapping[str, str]:
    """Return the headers that go with a problem."""
    if isinstance(error, HTTPException):
        return error.headers or {}
    return {"retry-after": str(_TRY_AGAIN_S)} if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def problem_response(error: Exception) -> Response:
    """Return the response that tells of an error."""
    problem = problem_of(error)
    body: Any = msgspec.json.encode(problem)
    return Response(body, problem.status, headers_of(error, problem), MEDIA_TYPE)
