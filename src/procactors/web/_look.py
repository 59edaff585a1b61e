"""What pages are made of: templates, the words and signs in them, and the way from page to page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse

from procactors._wording import number
from procactors.model.event import EVENT_CLASSES
from procactors.web import _wording
from procactors.web._json import coloured
from procactors.web._problems import headers_of, problem_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SIGNS = {
    **dict.fromkeys(("running", "waiting", "cancelling", "undoing"), "●"),
    **dict.fromkeys(("queued", "pending"), "○"),
    **dict.fromkeys(("finished", "completed"), "✓"),
    **dict.fromkeys(("failed", "timed_out", "cancelled"), "✗"),
    "sleeping": "◌",
    "interrupted": "?",
    "blocked": "!",
    "skipped": "↷",
}


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("procactors.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {
        "ago": _wording.ago,
        "coloured": coloured,
        "duration": _wording.duration,
        "moment": _wording.moment,
        "number": number,
        "pretty": _wording.pretty,
        "words": _wording.words,
    }
    found.globals |= {"signs": SIGNS, "event_names": " ".join(kind.__name__ for kind in EVENT_CLASSES)}
    return found


_templates = _environment()


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Return the page that a template makes of these values."""
    root = request.scope.get("root_path", "").rstrip("/")
    text = _templates.get_template(template).render(root=root, **values)
    return HTMLResponse(text, status)


def problem_page(request: Request, error: Exception) -> Response:
    """Return the page that tells of an error."""
    problem = problem_of(error)
    response = page(request, "problem.html", problem.status, problem=problem)
    response.headers.update(headers_of(error, problem))
    return response
