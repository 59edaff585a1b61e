"""An application's own transaction, lent to the store: the driver's connection under it."""

from __future__ import annotations

from typing import Any

from procactors.errors import InvalidStoreError


async def driver_connection(transaction: Any) -> Any:
    """Return the connection of aiosqlite or asyncpg that a transaction runs on.

    Args:
        transaction: An `AsyncSession` or `AsyncConnection` of SQLAlchemy, or such a connection itself.

    Raises:
        InvalidStoreError: It is something else.
    """
    if type(transaction).__module__.split(".")[0] != "sqlalchemy":
        return transaction
    connection = transaction
    if not hasattr(connection, "get_raw_connection"):
        if not hasattr(connection, "connection"):
            raise InvalidStoreError(
                f"tx= takes an AsyncSession, an AsyncConnection or a driver's connection, not {transaction!r}"
            )
        connection = await transaction.connection()
    await connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins its transaction with its first statement
    return (await connection.get_raw_connection()).driver_connection


def foreign(url: str, connection: Any) -> InvalidStoreError:
    """Return the error of a transaction that is not in the store's database."""
    return InvalidStoreError(
        f"tx= has to be a transaction in the store's own database ({url}), and {connection!r} is not:"
        " put both into one database, or start without tx= after the commit"
    )
