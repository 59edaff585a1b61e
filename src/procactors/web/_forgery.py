"""Protection against cross-site forgery: a page of somebody else's can't make a browser change anything here.

A request that changes something comes from no other site as far as the browser says (`Origin`,
`Sec-Fetch-Site`), and carries JSON, which a foreign page can't send unasked, or a form with a token that only
our own pages know: the same as in a cookie that no other site can read or send.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE = "procactors_form"
_PORTS = {"http": 80, "https": 443}
_FOREIGN = frozenset({"cross-site", "same-site"})
_TOKEN_BYTES = 24


def refuse_foreign(request: Request) -> None:
    """Refuse a request that another site has made a browser send.

    Raises:
        HTTPException: It is one (403).
    """
    site = request.headers.get("sec-fetch-site", "").lower()
    if site in _FOREIGN:
        raise HTTPException(403, "this request comes from another site")
    origin = request.headers.get("origin")
    if origin is not None and not _is_own(origin, request, site):
        raise HTTPException(403, f"this request comes from another origin, {origin[:200]}")


def _is_own(origin: str, request: Request, site: str) -> bool:
    """Tell whether an origin is this host. A browser's word of "same-origin" makes up for a proxy's TLS."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS.get(parts.scheme)
        host = urlsplit(f"//{request.headers.get('host', '')}")
        own_port = host.port or _PORTS.get(parts.scheme)
    except ValueError:
        return False
    if not parts.hostname or parts.scheme not in _PORTS:
        return False
    is_same_scheme = parts.scheme == request.url.scheme or site == "same-origin"
    return is_same_scheme and (parts.hostname, port) == (host.hostname, own_port)


def token_for(request: Request) -> str:
    """Return the token of this browser's forms: the one in its cookie, or a new one."""
    return request.cookies.get(COOKIE) or secrets.token_urlsafe(_TOKEN_BYTES)


def remember(response: Response, request: Request, token: str) -> None:
    """Set the cookie with the token of the forms in a response."""
    response.set_cookie(
        COOKIE,
        token,
        path=request.scope.get("root_path") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def check_token(request: Request, token: str) -> None:
    """Refuse a form without the token of this browser.

    Raises:
        HTTPException: It is not this browser's (403).
    """
    kept = request.cookies.get(COOKIE, "")
    if not kept or not secrets.compare_digest(kept.encode(), token.encode()):
        raise HTTPException(403, "this form is out of date: load its page again")
