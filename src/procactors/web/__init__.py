"""What procactors offers to ASGI applications."""

from procactors.web._middleware import DeferredMiddleware as DeferredMiddleware
