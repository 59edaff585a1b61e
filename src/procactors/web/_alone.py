"""The web face on its own, for `procactors serve`: opens and closes its manager, and knows its own names.

A page of somebody else's whose name suddenly leads to this host (DNS rebinding) is of our origin to a
browser: so only requests to the names given are answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

from procactors.web._process_app import process_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procactors.manager import ProcessManager
    from procactors.web._access import Authorize


def application(manager: ProcessManager, authorize: Authorize, hosts: Sequence[str]) -> Starlette:
    """Return an application that answers to these host names; "*" is any."""
    return Starlette(
        routes=[Mount("/", process_app(manager, authorize=authorize))],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)],
        lifespan=manager.lifespan,
    )
