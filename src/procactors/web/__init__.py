"""What procactors offers to ASGI applications."""

from procactors.web._health import health_app as health_app
from procactors.web._middleware import DeferredMiddleware as DeferredMiddleware
from procactors.web._process_app import allow_all as allow_all
from procactors.web._process_app import process_app as process_app
from procactors.web._process_app import process_router as process_router
