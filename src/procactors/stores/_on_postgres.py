"""How a talk is carried on with PostgreSQL: one connection, used by one at a time, made anew when lost."""

from __future__ import annotations

import inspect
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg

from procactors.errors import (
    InvalidDataError,
    InvalidDefinitionError,
    InvalidStoreError,
    StoreUnavailableError,
)
from procactors.stores._guest import ENDED, GUESTS_S, TOO_SLOW, WRONG_KIND
from procactors.stores._queries import queries_of
from procactors.stores._talk import Call, Many, One

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from procactors.stores._batch import Guest
    from procactors.stores._talk import Rows, Talk
    from procactors.stores._url import PostgresLocation

T = TypeVar("T")
Connection = Any
"""asyncpg's, which has no types."""

sql = queries_of("postgres")

PASSES_ON = (
    "is behind a pooler that gives each transaction another session of the server (PgBouncer's"
    " pool_mode=transaction): settings, LISTEN and prepared statements are lost; use pool_mode=session"
)
_CONNECT_S = 10
_COMMAND_S = 60
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
"""Seconds, and in the last one milliseconds, after which a peer that acknowledges nothing is given up."""
_IDLE_MOST = 2**31 - 1
_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up, session ended, cancelled
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock not available
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a replica, before it is promoted
    asyncpg.PostgresSystemError,  # an I/O error
)
_ENDED = (asyncpg.NoActiveSQLTransactionError, asyncpg.InvalidSavepointSpecificationError)
_UNFIT = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,  # a key or a name too long for an index
)


class Session:
    """One connection to the database, and its lock."""

    def __init__(
        self,
        location: PostgresLocation,
        where: str,
        *,
        idle_s: float,
        on_connect: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        """Prepare for a connection; it is made when it is first used.

        Args:
            location: Where to connect to.
            where: The URL, for errors.
            idle_s: After so many seconds the server ends a transaction in which nothing is asked any more:
                whoever has it may be stopped, or cut off, and everybody waits for it.
            on_connect: Called with each new connection.
        """
        self._location = location
        self._where = where
        self._setup = f"SET {idle_limit(idle_s)}"
        if location.schema is not None:
            self._setup += f'; SET search_path TO "{location.schema}"'
        self._on_connect = on_connect
        self._connection: Connection = None
        self.backend = 0
        """The server's number of this session, as it was when it was last connected."""
        self._lock = anyio.Lock()

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do something with the connection. Cancellation: waits until it is done."""
        with anyio.CancelScope(shield=True):
            async with self._lock:
                with translated(self._where):
                    result = await work(await self._connected())
        return result

    async def converse(self, talk: Talk[T]) -> T:
        """Carry on a talk, each of its queries by itself."""
        return await self.run(lambda connection: converse(connection, talk))

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler is in between, which does not pass on the server's own number of the session."""
        return self._connection is not None and self._connection.get_server_pid() != self.backend

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = None
            connection = await asyncpg.connect(
                self._location.dsn,
                timeout=_CONNECT_S,
                command_timeout=_COMMAND_S,
                max_cached_statement_lifetime=0,  # there are few, and a timer for each would be in the way
                server_settings={"application_name": "procactors"},
            )
            _notice_silence(connection)
            await connection.execute(self._setup)
            self.backend = await connection.fetchval(sql["backend"])
            if self._on_connect is not None:
                await self._on_connect(connection)
            self._connection = connection
        return self._connection

    async def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=2)
            except _PASSING:
                connection.terminate()


def idle_limit(seconds: float) -> str:
    """Return the setting by which the server ends a transaction in which nothing is asked for so long.

    0, and what is longer than the server can count (24 days), are no limit.
    """
    milliseconds = seconds * 1000
    return f"idle_in_transaction_session_timeout = {0 if milliseconds > _IDLE_MOST else int(milliseconds)}"


def _notice_silence(connection: Connection) -> None:
    """Let the kernel give a connection up when the network swallows what is sent on it."""
    wire: socket.socket = connection._transport.get_extra_info("socket")  # noqa: SLF001 - its only way
    if wire.family == socket.AF_UNIX:
        return
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def converse(connection: Connection, talk: Talk[T]) -> T:
    """Ask what the talk wants asked, to its end, and return its result."""
    try:
        query = next(talk)
        while True:
            query = talk.send(await _answer(connection, query))
    except StopIteration as end:
        result: T = end.value
        return result


async def _answer(connection: Connection, query: One | Many | Call) -> Rows:
    values: Iterable[Any]
    match query:
        case Call(functions):
            error = await _call_guests(connection, functions)
            return [] if error is None else [(error,)]
        case Many(rows=rows):
            values = [_texts(column) for column in zip(*rows, strict=True)]
        case One(values=given):
            values = [value.decode() if type(value) is bytes else value for value in given]
    answer: Rows = await connection.fetch(sql[query.name], *values)
    return answer


async def _call_guests(connection: Connection, guests: Sequence[Guest]) -> BaseException | None:
    """Call functions in a nested transaction; return the error that undid them, or None.

    Raises:
        InvalidDataError: They have ended the whole transaction, not only what they did.
    """
    number, path = await connection.fetchrow(sql["before_guests"])
    await connection.execute("SAVEPOINT procactors_guest")
    try:
        await _call_in_time(connection, guests)
        await connection.execute("RELEASE procactors_guest")
    except (Exception, SystemExit) as error:
        if connection.is_closed():
            raise
        try:
            await connection.execute("ROLLBACK TO procactors_guest; RELEASE procactors_guest")
        except _ENDED:
            raise InvalidDataError(ENDED) from error
        return error
    if await connection.fetchval(sql["after_guests"], path) != number:
        raise InvalidDataError(ENDED)
    return None


async def _call_in_time(connection: Connection, guests: Sequence[Guest]) -> None:
    with anyio.move_on_after(GUESTS_S) as time:
        for guest in guests:
            await _awaitable(guest(connection))
    if time.cancelled_caught:
        raise InvalidDataError(TOO_SLOW)


def _awaitable(returned: Any) -> Any:
    if not inspect.isawaitable(returned):
        raise InvalidDefinitionError(WRONG_KIND)
    return returned


def _texts(column: tuple[Any, ...]) -> tuple[Any, ...] | list[str]:
    return [value.decode() for value in column] if type(column[0]) is bytes else column


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what asyncpg raises into an error that says whether trying again can help, and where.

    Raises:
        StoreUnavailableError: It may help.
        InvalidStoreError: The database can't be used.
        InvalidDataError: What was to be written can't be kept.
    """
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise InvalidStoreError(f"{where} can't be connected to as it says: {error}") from error
    except _PASSING as error:
        text = str(error) or type(error).__name__
        raise StoreUnavailableError(f"{where} can't be used now: {text}") from error
    except _UNFIT as error:
        raise InvalidDataError(f"{where} can't keep what was to be written: {error}") from error
    except (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError) as error:
        raise InvalidStoreError(f"{where} {PASSES_ON}") from error
    except asyncpg.PostgresError as error:
        raise InvalidStoreError(f"{where} refused: {error}") from error
