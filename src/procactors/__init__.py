"""Durable background processes and deferred updates for asyncio, on an actor runtime."""
