"""The part of the manager that starts processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from procactors.engine import starting, updates
from procactors.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procactors.handle import ProcessHandle
    from procactors.model.definition import Process

OnConflict = Literal["return", "raise", "replace", "skip"]
KeyScope = Literal["kept", "active"]


class StartingUp(Opening):
    """How processes come into being. Base of `ProcessManager`."""

    def handle(self, pid: str) -> ProcessHandle:
        """Return a handle to process `pid`."""
        raise NotImplementedError

    @overload
    async def start(
        self,
        process: Process,
        data: Any = None,
        *,
        key: str | None = None,
        on_conflict: Literal["return", "raise", "replace"] = "return",
        key_scope: KeyScope = "kept",
        priority: int = 0,
        delay: float | None = None,
        tags: Iterable[str] = (),
        group: str | None = None,
        tx: Any = None,
    ) -> ProcessHandle: ...

    @overload
    async def start(
        self,
        process: Process,
        data: Any = None,
        *,
        key: str | None = None,
        on_conflict: OnConflict,
        key_scope: KeyScope = "kept",
        priority: int = 0,
        delay: float | None = None,
        tags: Iterable[str] = (),
        group: str | None = None,
        tx: Any = None,
    ) -> ProcessHandle | None: ...

    async def start(  # noqa: PLR0913 - the public face, as the design has it
        self,
        process: Process,
        data: Any = None,
        *,
        key: str | None = None,
        on_conflict: OnConflict = "return",
        key_scope: KeyScope = "kept",
        priority: int = 0,
        delay: float | None = None,
        tags: Iterable[str] = (),
        group: str | None = None,
        tx: Any = None,
    ) -> ProcessHandle | None:
        """Start a process and return a handle to it.

        Args:
            process: What to do.
            data: First step's input. JSON-able, at most 1 MiB (options.payload_limit_bytes). None: `{}`.
            key: Unique in the store, and held until the process is deleted by retention, so that starting
                twice starts once. The same key with another definition still gives the first.
            on_conflict: What to do if the key is taken: "return" a handle to its holder; "raise"
                KeyConflictError; "replace" it (cancelled if it is alive; this one waits for its end);
                "skip": return None.
            key_scope: "active" frees the key when the process ends.
            priority: A larger one goes first when slots are scarce; a whole number of 32 bits.
            delay: Seconds to wait before it begins, >= 0; the process is `sleeping` meanwhile.
            tags: Words for people and filters: an iterable of strings, not one string.
            group: What `Process(max_per_group=)` counts: a customer, a host.
            tx: A transaction of the application's in the store's own database, in which the process is
                stored: its commit starts it, its rollback never does. An `AsyncSession` or `AsyncConnection`
                of SQLAlchemy, or a connection of aiosqlite or asyncpg. Start last before the commit: from
                then on until it, everybody else who writes to the store waits.

        Returns:
            A handle whose process is already stored: a crash after this line loses nothing. None only with
            on_conflict="skip".

        Raises:
            KeyConflictError: on_conflict="raise", and the key is taken.
            StepNotResolvableError: A step's reference is not known here (a client does not check).
            InvalidStoreError: `tx` is not in the store's database.
            InvalidStateError: No transaction is open on `tx`.
            InvalidDefinitionError: A service is missing, or an argument is wrong; nothing was stored.
            InvalidDataError: The data is not JSON-able, or too large (PayloadTooLargeError).
            StoreUnavailableError: The store could not be used for options.store_patience_s seconds. The
                process may have been stored all the same: look by key.

        Cancellation: safe; either nothing was stored, or the process exists and can be found by its key.

        Order: the ProcessQueued event is committed before this returns.

        Source: ProcessManager::startProcess (MWStake); key semantics as in Stripe's idempotency keys.
        """
        words = starting.tags_in(tags)
        order = starting.Order(
            process, data, key, on_conflict, key_scope, priority, delay, words, group, tx=tx
        )
        pid = await starting.start(self._open_room(), order)
        return None if pid is None else self.handle(pid)

    async def keep_update(self, update: Any) -> None:
        """Store a durable deferred update as a process, so that it runs even after a crash.

        `defer(..., durable=True)` ends here; an application seldom needs to call it.

        Args:
            update: A `CallableUpdate`, its function registered and its arguments JSON-able.

        Raises:
            InvalidDefinitionError: Its function could not be found again by a reference.
            InvalidDataError: An argument is not JSON-able.

        Cancellation: safe; it was stored, or it was not.
        """
        process, data = updates.process_of(update)
        await self.start(process, data)

    def check_update(self, update: Any) -> None:
        """Refuse a deferred update that can't be durable; `defer(..., durable=True)` asks this at once.

        May be called from any thread, and before the manager is open.

        Args:
            update: A `CallableUpdate`.

        Raises:
            InvalidDefinitionError: Its function could not be found again by a reference.
            InvalidDataError: An argument is not JSON-able, or they are too large (PayloadTooLargeError).
        """
        updates.check(self._room, update)
