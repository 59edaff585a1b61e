"""The part of the manager that opens and closes it, on which the other parts stand."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from procactors.engine.tree import Tree
from procactors.errors import InvalidStoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from procactors.engine.room import Room
    from procactors.model.plugin import Plugin


class Opening:
    """How a manager begins and ends its work. Base of the other parts of `ProcessManager`."""

    def __init__(self, room: Room, plugins: Sequence[Plugin]) -> None:
        """Begin closed."""
        self._room = room
        self._plugins = plugins
        self._tree: Tree | None = None
        """Its engine, while it is open."""
        self._latest: Tree | None = None
        """Its engine, or the last one that it had."""

    async def open(self) -> None:
        """Connect to the store, adopt what dead managers left, and begin to run.

        Raises:
            StoreUnavailableError: The store can't be used now.
            InvalidStoreError: It is not a store, or a newer version's (SchemaTooNewError).
            RuntimeError: The manager is open already.

        Cancellation: safe; the manager is closed then.
        """
        if self._tree is not None:
            raise RuntimeError("this manager is open already; make another one for another application")
        self._tree = self._latest = Tree(self._room, self._plugins, self)
        try:
            await self._tree.open()
        except BaseException:
            self._tree = None
            raise

    async def close(self) -> None:
        """Let running steps end (for `options.grace_s` seconds), release their processes, disconnect.

        What was running goes on in the next manager on this store, and loses no attempt and no time by it.
        Closing a closed manager does nothing.

        Cancellation: closing goes on.
        """
        tree, self._tree = self._tree, None
        if tree is not None:
            await tree.close()

    async def __aenter__(self) -> Self:
        """Open; see `open`."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close; see `close`."""
        await self.close()

    @asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncIterator[None]:
        """Open and close with an ASGI application: `Starlette(lifespan=manager.lifespan)`."""
        async with self:
            yield

    def _open_room(self) -> Room:
        if self._tree is None:
            raise InvalidStoreError(
                "this manager is not open: use `async with manager:` or `await manager.open()`"
            )
        if self._room.is_elsewhere():
            raise RuntimeError(
                "this manager lives in another event loop: call it there (in a thread: anyio.from_thread.run)"
            )
        return self._room
